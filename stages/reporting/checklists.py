"""What reviewers ask of a study, answered from the study: conferences' checklist, artifact badges.

The questions are those of the NeurIPS paper checklist and of ACM's artifact badges, as far as a
study can answer them. What no file says is "not recorded": nobody's memory is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

NOT_RECORDED = "not recorded"
NOT_STATED = "not stated"
PAPER = "For a paper (NeurIPS checklist)"
BADGES = "For an artifact (ACM badges)"
MOST_SEEDS = 12


@dataclass(frozen=True)
class Item:
    """A question and its answer.

    Attributes:
        part: PAPER or BADGES.
    """

    part: str
    question: str
    answer: str

    @property
    def known(self) -> bool:
        """Whether the study says anything about it."""
        return not self.answer.startswith(NOT_RECORDED)


@dataclass(frozen=True)
class Compute:
    """What this machine knows of the time that runs took, wall clock.

    Attributes:
        rounds: how many have a time.
        seconds: of all of them.
        runs: how many runs they are of.
    """

    rounds: int
    seconds: float
    runs: int


def items(
    settings, manifests: dict[str, dict | None], compute: Compute | None = None
) -> list[Item]:
    """Every question with its answer.

    Args:
        settings: as of `stages.study.settings.load`.
        manifests: task -> what `prepare` said of its data, None where that is not there.
        compute: times; None where the files at hand hold none, as those that git holds.
    """
    asked = [
        (PAPER, "Code and data", _code(settings, manifests)),
        (PAPER, "Splits", _splits(settings, manifests)),
        (PAPER, "Seeds", _seeds(settings)),
        (PAPER, "Training settings", _training(settings)),
        (PAPER, "How settings were chosen", _chosen(settings)),
        (PAPER, "Error bars", _errors(settings)),
        (PAPER, "Tests of significance", _tests(settings)),
        (PAPER, "Compute of a run and in total", _compute(compute)),
        (PAPER, "Hardware", f"{NOT_RECORDED}; the setting was device: {_of(settings, 'device')}, "
         f"threads: {_of(settings, 'threads')}."),
        (PAPER, "Runs that failed or were thrown away", f"{NOT_RECORDED}: a round that fails "
         "leaves nothing. Every run that params.yaml names is in the report."),
        (PAPER, "Licenses of what was used", _licenses(settings, manifests)),
        (PAPER, "People's data, consent, privacy", _privacy(settings)),
        (BADGES, "Available", f"{NOT_RECORDED}; `python -m stages.exchange export` writes an "
         "archive to deposit where it gets a DOI."),
        (BADGES, "Functional", "Documented (README.md, docs/), complete (`make repro` from a "
         "clone), and checked by `python -m stages.verify --committed`."),
        (BADGES, "Reusable", "Strategies, learners, models and data sets of one's own are named in "
         "params.yaml by import path (docs/own.md); license in LICENSE."),
        (BADGES, "Results reproduced", _reproduced(settings)),
        (BADGES, "Results replicated by others", f"{NOT_RECORDED}."),
    ]  # fmt: skip
    return [Item(*one) for one in asked]


def markdown(found: list[Item]) -> str:
    """The items as headings and lists."""
    blocks = []
    for part in dict.fromkeys(item.part for item in found):
        lines = [f"- **{item.question}**: {item.answer}" for item in found if item.part == part]
        blocks += [f"### {part}", "\n".join(lines)]
    return "\n\n".join(blocks)


def _of(settings, key: str) -> object:
    return getattr(settings, key, NOT_RECORDED)


def _code(settings, manifests) -> str:
    named = [
        f"{task}: {(manifests.get(task) or {}).get('source', NOT_RECORDED)}"
        for task in settings.tasks
    ]
    return (
        f"Both are named in full: code in stages/ and requirements.lock; data: {'; '.join(named)}."
    )


def _splits(settings, manifests) -> str:
    said = []
    for task in settings.tasks:
        own, data = _task(settings, task), manifests.get(task) or {}
        split = getattr(own, "split", None)
        rows = (
            f"{data.get('train', NOT_RECORDED)} training and {data.get('test', NOT_RECORDED)} test"
        )
        if split is None:
            said.append(f"{task}: {rows} images")
            continue
        how = f"drawn {'the classes in turn' if split.balanced else 'uniformly'} by the seed"
        if getattr(split, "imported", None):
            how = f"those of the import {split.imported}"
        said.append(
            f"{task}: {rows} images; {split.initial} labeled at the start, {how}, "
            f"{own.query_size} a round; {split.validation} set aside for validation"
        )
    return "; ".join(said) + ". Every set is in splits/, row by row."


def _task(settings, task: str):
    return getattr(settings, "task", {}).get(task)


def _seeds(settings) -> str:
    listed = ", ".join(map(str, settings.seeds[:MOST_SEEDS]))
    more = f" and {len(settings.seeds) - MOST_SEEDS} more" if settings.seeds[MOST_SEEDS:] else ""
    return f"{len(settings.seeds)} ({listed}{more}), the same for every strategy."


def _training(settings) -> str:
    said = []
    for task in settings.tasks:
        own = _task(settings, task)
        model = getattr(getattr(own, "model", None), "name", None)
        if model is None:
            continue
        said.append(
            f"{task}: {model}, {own.optimizer}, learning rate {own.learning_rate:g}, weight decay "
            f"{own.weight_decay:g}, {own.epochs} epochs, batches of {own.batch_size}"
        )
    return "; ".join([*said, "all of them in params.yaml and data/<task>/protocol.json"]) + "."


def _chosen(settings) -> str:
    tuned = getattr(settings, "tuned", [])
    if not tuned:
        return (
            f"{NOT_RECORDED}: they stand in params.yaml, and no strategy was tuned by this study."
        )
    return (
        f"{', '.join(tuned)}: from the candidates in params.yaml, by the right answers on the "
        f"validation rows of all seeds; every candidate's are in reports/tuned/. Where the other "
        f"settings come from is {NOT_RECORDED}."
    )


def _errors(settings) -> str:
    if len(settings.seeds) < 2:
        return f"None: {len(settings.seeds)} seed."
    return (
        f"One sample standard deviation (n - 1) over {len(settings.seeds)} seeds. A seed draws the "
        "initial and the validation set, the weights, the order of batches, augmentation, dropout "
        "and the strategy's own choices; training and test images stay the same."
    )


def _tests(settings) -> str:
    return (
        f"One primary analysis, declared in params.yaml (report.primary: "
        f"{getattr(settings.report, 'primary', 'auto')}), against {settings.report.baseline} at "
        f"level {settings.report.alpha:g}, over all strategies as one family; all else is "
        "secondary."
    )


def _compute(compute: Compute | None) -> str:
    if compute is None or not compute.rounds:
        return (
            f"{NOT_RECORDED} in what git holds, since no two runs take the same; "
            "`python -m stages.report --cost` prints it on the machine that ran them."
        )
    each = compute.seconds / compute.runs
    return (
        f"{compute.seconds / 3600:.2f} hours of wall clock in all, {each:.1f} s a run (training, "
        f"scoring, selecting and testing of {compute.rounds} rounds of {compute.runs} runs, the "
        f"last time each ran). Preparing data, tuning and failed runs are {NOT_RECORDED}."
    )


def _licenses(settings, manifests) -> str:
    said = [
        f"{task}: {(manifests.get(task) or {}).get('license', NOT_STATED)}"
        for task in settings.tasks
    ]
    return f"data: {'; '.join(said)}; code: LICENSE; packages: requirements.lock."


def _privacy(settings) -> str:
    showing = [
        task for task in settings.tasks if getattr(_task(settings, task), "shows_pixels", False)
    ]
    shown = f"of {', '.join(showing)}" if showing else "of no task"
    return (
        f"{NOT_RECORDED} of the data sets themselves. Results and report show small pictures "
        f"{shown}; index sets are row numbers."
    )


def _reproduced(settings) -> str:
    how = {
        "portable": "the same bytes on any x86-64 CPU",
        "machine": "the same bytes on the same machine with the same number of threads",
        "off": "not to the byte",
    }
    return (
        f"reproducible: {settings.reproducible} ({how.get(settings.reproducible, NOT_RECORDED)}). "
        "Each seal pins a run's index sets and results; the study's fingerprint pins all seals."
    )
