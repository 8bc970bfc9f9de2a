"""The statistics of this package on the tables that five studies printed."""

from __future__ import annotations

from collections.abc import Callable

from stages.machine.errors import UserError, nearest
from stages.published import STUDIES
from stages.reporting.literature.claims import ALPHA, section
from stages.reporting.literature.published_studies import gashi, hybrid, munjal
from stages.reporting.literature.published_surveys import deepalplus, li

PARTS: dict[str, Callable[[], list[str]]] = {
    "deepalplus": deepalplus,
    "li": li,
    "gashi": gashi,
    "munjal": munjal,
    "hybrid": hybrid,
}


def report(name: str) -> str:
    """What the published tables of one study say, and what of its claims they carry.

    Args:
        name: a key of `stages.published.STUDIES`.

    Returns:
        Markdown: every claim with its outcome, and tables.

    Raises:
        UserError: for an unknown name.
    """
    if name not in STUDIES:
        raise UserError(f"no published tables of {name!r}; {nearest(name, STUDIES)}")
    study = STUDIES[name]
    head = (
        f"# {study.authors} {study.year}, *{study.title}*\n\nComputed from the paper's printed "
        f"tables alone (alpha = {ALPHA:g}; means over {study.runs} runs, deviations with ddof = "
        f"{study.ddof}); no model was trained."
    )
    return "\n\n".join([head, section(name), *PARTS[name]()]) + "\n"
