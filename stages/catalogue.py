"""Every strategy in one table: name -> learner + scorer + selector + source.

A strategy is data. Its functions are named by import path and loaded when they are used, so the
table itself costs nothing to read. A strategy of your own lives outside this package and is used by
import path: ``strategy: {mine: {use: "mylab.al:my_strategy"}}``, where ``my_strategy`` is a
:class:`Strategy`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stages.errors import UserError, nearest


@dataclass(frozen=True)
class Strategy:
    """One way of choosing what to label.

    Attributes:
        learner: import path of how a model is trained in one round.
        scorer: import path of what is computed over the pool; higher is more wanted.
        selector: import path of which candidates are taken.
        source: the paper, and the equation where it has one.
        family: uncertainty, diversity, hybrid or baseline.
        settings: its settings and their defaults; each is passed by name to the scorer or the
            selector that has a parameter of that name.
        needs_dropout: whether the model must have a dropout layer.
        least: the smallest value of a number, where that is not 0.
        choices: the values of a word.
    """

    learner: str
    scorer: str
    selector: str
    source: str
    family: str
    settings: dict[str, Any] = field(default_factory=dict)
    needs_dropout: bool = False
    least: dict[str, float] = field(default_factory=dict)
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)


SUPERVISED = "stages.learners.supervised:train"
UNCERTAINTY = "stages.scorers.uncertainty:"
TOP = "stages.selectors.top:top"
SETTLES = "Settles 2009, section 3.1"
GAL = "Gal et al. 2017"


def _uncertainty(name: str, source: str) -> Strategy:
    return Strategy(SUPERVISED, UNCERTAINTY + name, TOP, source, "uncertainty")


def _mc(name: str, source: str) -> Strategy:
    """Over Monte-Carlo dropout passes; 10 of them in the surveys."""
    return Strategy(
        SUPERVISED,
        UNCERTAINTY + name,
        TOP,
        source,
        "uncertainty",
        {"passes": 10},
        needs_dropout=True,
        least={"passes": 1},
    )


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(
        SUPERVISED, "stages.scorers.trivial:constant", TOP, "uniform sampling", "baseline"
    ),
    "least_confidence": _uncertainty("least_confidence", f"{SETTLES}.1: 1 - max_c p_c"),
    "margin": _uncertainty("margin", f"{SETTLES}.1: -(p_(1) - p_(2))"),
    "entropy": _uncertainty("entropy", f"{SETTLES}.1: -sum_c p_c log p_c"),
    "least_confidence_dropout": _mc("mc_least_confidence", f"{GAL}, section 3"),
    "margin_dropout": _mc("mc_margin", "Scheffer et al. 2001; margin of the mean over passes"),
    "entropy_dropout": _mc("mc_entropy", f"{GAL}, section 3: predictive entropy"),
    "bald": _mc("bald", "Houlsby et al. 2011, eq. (2): H[E p] - E H[p]"),
    "mean_std": _mc("mean_std", f"{GAL}, section 3: mean over classes of the std over passes"),
    "variation_ratio": _mc("variation_ratio", "Freeman 1965; Gal et al. 2017: 1 - f_mode / T"),
    "kmeans": Strategy(
        SUPERVISED,
        "stages.scorers.features:embedding",
        "stages.selectors.kmeans:nearest_to_centres",
        "k-means on embeddings, the candidate nearest to each centre (Zhan et al. 2022)",
        "diversity",
        {"iterations": 20, "backend": "auto"},
        least={"iterations": 1},
        choices={"backend": ("auto", "faiss", "scipy")},
    ),
    "kcenter": Strategy(
        SUPERVISED,
        "stages.scorers.features:embedding_and_labeled",
        "stages.selectors.kcenter:greedy",
        "Sener & Savarese 2018, Algorithm 1 (k-center greedy); PCA as in Zhan et al. 2022",
        "diversity",
        {"pca": 32},
    ),
    "badge": Strategy(
        SUPERVISED,
        "stages.scorers.features:gradient_factors",
        "stages.selectors.badge:kmeans_plus_plus",
        "Ash et al. 2020, Algorithm 1 and eq. (1)",
        "hybrid",
    ),
}


def find(name: str) -> Strategy:
    """The strategy of this name, or the one at an import path ``module:attribute``.

    Raises:
        UserError: neither a known name nor something that can be imported.
    """
    if ":" in name:
        entry = load(name)
        if not isinstance(entry, Strategy):
            raise UserError(f"{name!r} is a {type(entry).__name__}, not a Strategy")
        return entry
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy {name!r}; {nearest(name, STRATEGIES)}")
    return STRATEGIES[name]


def load(path: str) -> Any:
    """What ``module:attribute`` names.

    Raises:
        UserError: the module or the attribute does not exist.
    """
    module, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise UserError(f"{path!r} is not an import path; allowed: 'module:name'")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise UserError(
                f"{path!r} needs the package {error.name!r}, which is not installed"
            ) from None
        raise UserError(f"{path!r}: there is no module {module!r}") from None
    except AttributeError:
        raise UserError(f"{path!r}: {module!r} has no {attribute!r}") from None


def complete(label: str, entry: Strategy, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of an entry with defaults filled in.

    Raises:
        UserError: an unknown key, or a value of another kind than the default's.
    """
    for key, value in given.items():
        if key not in entry.settings:
            raise UserError(
                f"strategy.{label}: unknown key {key!r}; {nearest(key, [*entry.settings, 'use'])}"
            )
        default = entry.settings[key]
        numbers = isinstance(default, (int, float)) and not isinstance(default, bool)
        kind = (int, float) if isinstance(default, float) else type(default)
        least = entry.least.get(key, 0)
        if not isinstance(value, kind) or (numbers and (isinstance(value, bool) or value < least)):
            raise UserError(
                f"strategy.{label}.{key} is {value!r}; allowed: a "
                f"{type(default).__name__}{f' of {least} or more' if numbers else ''} "
                f"such as {default!r}"
            )
        choices = entry.choices.get(key)
        if choices and value not in choices:
            raise UserError(f"strategy.{label}.{key} is {value!r}; {nearest(value, choices)}")
    return {**entry.settings, **given}


def bind(path: str, settings: dict[str, Any]) -> Callable[..., Any]:
    """The function at ``path`` with those of ``settings`` that it has parameters for."""
    function = load(path)
    names = inspect.signature(function).parameters
    return functools.partial(function, **{k: v for k, v in settings.items() if k in names})


def table() -> str:
    """The catalogue as a Markdown table: what docs/strategies.md shows."""
    lines = ["| strategy | family | scorer | selector | settings | source |", "|" + "---|" * 6]
    for name, entry in STRATEGIES.items():
        scorer, selector = (path.rpartition(":")[2] for path in (entry.scorer, entry.selector))
        options = ", ".join(f"{key}: {value}" for key, value in entry.settings.items())
        row = (f"`{name}`", entry.family, scorer, selector, options, entry.source)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
