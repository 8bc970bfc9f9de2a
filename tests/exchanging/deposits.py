"""A small study with all its stages run, for deposits."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from study import tree, write_params

from stages import chain, exchange, full, protocol, recipes
from stages.prepare import prepare
from stages.split import split
from stages.study import settings


def grown(root: Path, **changes) -> settings.Settings:
    """A study of two strategies and one seed, grown without DVC; its report is a few words."""
    study = settings.load(write_params(root, tree(**{"seeds": [0], "full": []} | changes)))
    for folder in ("reports/tuned", "data/code"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    recipes.recipes(study, root)
    for task in study.tasks:
        prepare(study, root, task)
        protocol.protocol(study, root, task)
        for seed in study.seeds:
            split(study, root, task, seed)
    for task in study.tasks:
        for seed in study.seeds:
            for strategy in study.strategies:
                chain.chain(study, root, (task, strategy, seed))
        for seed in study.full_seeds:
            full.full(study, root, task, seed)
    for name in ("report.md", "index.html", "curve.csv", "metrics.json", "tables/a.csv",
                 "figures/a.svg", "plots/a.png"):  # fmt: skip
        path = root / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of the stage report, which takes long\n")
    return study


def export(root: Path, target: Path, *more: str) -> dict[str, bytes]:
    """``python -m stages.exchange export`` in this process; the files of the archive."""
    exchange.main(["export", str(target), "--root", str(root), *more])
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    """The files of a deposit, written out."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
