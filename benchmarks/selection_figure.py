"""The figure of `benchmarks.selection`: seconds and memory over N and over b."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

STYLES = list(zip("os^Dv<>P", ["-", "--", "-.", ":"] * 2, strict=True))
GREYS = ("0.0", "0.35", "0.55", "0.2", "0.45")


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier run."""
    return pd.read_csv(path).to_dict("records")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write ``path``.svg and ``path``.png: log-log, told apart by marker, line and shade."""
    table = pd.DataFrame(rows)
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    for column, (along, fixed) in enumerate((("n", "b"), ("b", "n"))):
        common = table[fixed].mode()[0]
        for number, (name, mine) in enumerate(table[table[fixed] == common].groupby("method")):
            mine = mine.drop_duplicates(along).sort_values(along)
            marker, line = STYLES[number % len(STYLES)]
            style = {"marker": marker, "linestyle": line, "color": GREYS[number % len(GREYS)]}
            axes[0, column].loglog(mine[along], mine["seconds"], label=name, **style)
            axes[1, column].loglog(mine[along], mine["above_mib"].clip(lower=1), **style)
        axes[0, column].set_title(f"{fixed if fixed == 'b' else 'N'} = {common:,}", fontsize=10)
        axes[1, column].set_xlabel("candidates N" if along == "n" else "selected b")
        ticks = sorted(table[table[fixed] == common][along].unique())
        axes[1, column].set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=8)
        axes[1, column].minorticks_off()
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("MiB above the inputs")
    axes[0, 0].legend(fontsize=8)
    for row in axes:  # whole decades
        low, high = row[0].get_ylim()
        row[0].set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
    for axis in axes.flat:
        axis.grid(True, which="major", color="0.85")
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
