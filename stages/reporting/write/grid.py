"""Plain Markdown tables for what is printed on the command line."""

from __future__ import annotations

import pandas as pd

from stages.reporting.numbers import fixed, small
from stages.statistics.comparisons import NOT_AVAILABLE


def grid(table: pd.DataFrame, decimals: dict[str, int] | int = 4) -> str:
    """A Markdown table; numbers are aligned to the right, NaN is n/a.

    Args:
        table: any table.
        decimals: for float columns, all of them or by name (others: 4).
    """
    columns, right = [], []
    for name in table.columns:
        values = table[name]
        places = decimals if isinstance(decimals, int) else decimals.get(name, 4)
        if pd.api.types.is_bool_dtype(values.dtype):
            cells = ["yes" if value else "no" for value in values]
        elif pd.api.types.is_float_dtype(values.dtype):
            cells = [fixed(value, places) for value in values]
            if str(name) == "p" or str(name).endswith(("_p", "p_holm")):
                cells = [small(value) for value in values]
        else:
            cells = [NOT_AVAILABLE if pd.isna(value) else str(value) for value in values]
        columns.append([cell.replace("|", "\\|") for cell in cells])
        right.append(pd.api.types.is_numeric_dtype(values.dtype))
    header = f"| {' | '.join(str(name).replace('_', ' ') for name in table.columns)} |"
    rule = f"| {' | '.join('---:' if number else '---' for number in right)} |"
    rows = [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]
    return "\n".join([header, rule, *rows])
