"""The measure that a report is about: accuracy, unless the settings name another."""

from __future__ import annotations

from typing import Any

from stages.machine.errors import UserError
from stages.study.measures import balanced_accuracy

ACCURACY = "accuracy"
TITLES = {
    "balanced_accuracy": "balanced accuracy (the mean recall of the classes)",
    "macro_f1": "macro-F1 (the mean F1 of the classes)",
    "auroc": "the area under the ROC curve (one class against the others, mean over the classes)",
    "worst_class": "the accuracy of the class that is recognised worst",
    "worst_group": "the accuracy of the group that is recognised worst",
    "mismatch": "the accuracy on the mismatched groups",
}


def chosen(settings: Any) -> str:
    """The measure's name."""
    return getattr(getattr(settings, "report", None), "metric", ACCURACY)


def value_of(metric: str, record: dict[str, Any], more: dict[str, Any], name: str) -> float:
    """The measure of one checked record.

    Args:
        more: what follows from the record: worst_class, worst_group, mismatch; NaN where nothing.
        name: of the file, for a message.

    Raises:
        UserError: the record does not have it.
    """
    if metric == ACCURACY:
        return record[ACCURACY]
    if metric == "balanced_accuracy" and record.get("per_class_test"):
        return round(balanced_accuracy(record["per_class_test"], record["per_class_correct"]), 6)
    found = record.get(metric) if metric in ("macro_f1", "auroc") else more.get(metric)
    if found is None or found != found:
        raise UserError(
            f"report.metric is {metric!r}, which {name} does not have; allowed: accuracy, or what "
            f"its data and the task's metrics give"
        )
    return float(found)


def said(settings: Any) -> list[str]:
    """A sentence where the report is about another measure than accuracy."""
    metric = chosen(settings)
    if metric == ACCURACY:
        return []
    return [
        f"**What this report calls accuracy is {TITLES[metric]}** (`report.metric: {metric}`): in "
        f"curves, areas, tests and verdicts. Calibration and the accuracies by class and group are "
        f"as everywhere."
    ]
