"""Small portable studies with every task setting in use, and digests of all that they compute.

``reproducible: portable`` promises the same bits on any x86-64 CPU, so the digests are constants,
committed in tests/golden.json. After a change that is meant to move them:

    PYTHONPATH=. python tests/golden.py            # what differs, by run
    PYTHONPATH=. python tests/golden.py --write    # take today's digests
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from study import grow, rounds, tree, write_params

from stages.full import full
from stages.prepare import prepare
from stages.split import split
from stages.study import settings
from stages.tune import tune

DIGESTS = Path(__file__).with_name("golden.json")
KINDS = {"splits": "**/*.txt", "reports": "**/*.json", "artifacts": "**/*.npz"}

SHORT_GCN = {"subset": 60, "hidden": 8, "epochs": 3}
# Each study is a task, its strategies with their settings, and what else differs from the tests'
# own small study. Together they use every setting of a task but those of `reproducible: off`.
DIGITS: dict[str, Any] = {
    "strategies": {
        "random": {},
        "least_confidence": {},
        "margin": {},
        "entropy": {"candidates": 100},
        "bald": {"passes": 3},
        "mean_std": {"passes": 3},
        "gradient_norm": {},
        "margin_ensemble": {"members": 2},
        "variation_ratio_ensemble": {"members": 2},
        "batchbald": {"passes": 3, "samples": 50},
        "kmeans": {},
        "kcenter": {"pca": 0},
        "typiclust": {"clusters": 12},
        "probcover": {"subset": 100},
        "dal": {"mini_queries": 2, "ratio": 2, "epochs": 3},
        "uncertain_gcn": SHORT_GCN,
        "core_gcn": SHORT_GCN,
        "badge": {},
        "ceal": {"delta": 1.5},
        "sure_margin": {"learner": {"use": "ceal", "delta": 1.5}, "scorer": "margin"},
        "diverse_minibatch": {},
        "cluster_margin": {"part": 300},
        "exploitation_exploration": {},
        "mcadl": {},
        "bait": {"fisher": "binary"},
        "mixed": {
            "use": "hybrid",
            "diversity": "posterior_variance",
            "combination": "mean",
            "passes": 3,
            "candidates": 100,
            "alpha": [0.1, 0.9],
        },
    },
    "tuned": ["mixed"],
    "full": True,
    "task": {
        "split": {"initial": 12, "validation": 9, "balanced": True},
        "weight_decay": 0.01,
        "milestones": [1],
        "decay": 0.5,
        "augmentation": "crop",
        "padding": 1,
    },
}
GREY: dict[str, Any] = {  # 28 x 28
    "strategies": {
        "adversarial_bim": {"iterations": 8, "train_on_adversarial": True},
        "deepfool": {"iterations": 3, "top_classes": 3},
        "albl": {"over": ["random", "entropy", "diverse_minibatch"], "horizon": 2},
    },
    "side": 28,
    "channels": 1,
    "task": {
        "model": {"name": "lenet"},
        "epochs": 3,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.001,
    },
}
NIN: dict[str, Any] = {
    "strategies": {"entropy_dropout": {"passes": 2, "candidates": 20}},
    "side": 28,
    "channels": 1,
    "rounds": 2,
    "task": {"model": {"name": "nin", "dropout": 0.2}, "epochs": 1, "optimizer": "sgd"},
}
COLOUR: dict[str, Any] = {  # 32 x 32
    "strategies": {"kcenter": {"pca": 0, "candidates": 20}},
    "side": 32,
    "channels": 3,
    "rounds": 2,
    "task": {
        "model": {"name": "resnet18", "stem": "7x7", "max_pool": True, "dropout": 0.1},
        "epochs": 1,
        "augmentation": "crop_flip",
        "padding": 2,
        "milestones": [],
    },
}
STEM: dict[str, Any] = {  # 8 x 8: the narrow stem is dear
    "strategies": {"random": {"candidates": 10}},
    "side": 8,
    "channels": 1,
    "rounds": 1,
    "task": {"model": {"name": "resnet18", "stem": "3x3", "max_pool": False}, "epochs": 1},
}
NIN_10: dict[str, Any] = {
    "strategies": {"random": {}},
    "side": 32,
    "channels": 1,
    "rounds": 1,
    "task": {"model": {"name": "nin_10", "dropout": 0.2}, "epochs": 1},
}
AUGMENTED: dict[str, Any] = {  # every operation of a list
    "strategies": {"random": {}},
    "side": 8,
    "channels": 3,
    "rounds": 1,
    "task": {
        "epochs": 2,
        "augmentation": [
            {"crop": {"padding": 1, "mode": "reflect"}},
            "flip",
            {"rotation": 20},
            {"affine": {"degrees": 5, "scale": [0.8, 1.2], "shear": 10}},
            {"resized_crop": [0.5, 1]},
            "color_jitter",
            "grayscale",
            {"cutout": {"chance": 0.2}},
            {"randaugment": {"variant": "cubuk"}},
            {"randaugment": {"variant": "munjal"}},
            {"randaugment": {"variant": "fixmatch"}},
        ],
    },
}
REST: dict[str, Any] = {  # all others
    "strategies": {
        "least_confidence_dropout": {"passes": 2},
        "margin_dropout": {"passes": 2},
        "entropy_dropout": {"passes": 2},
        "variation_ratio": {"passes": 3},
        "least_confidence_ensemble": {"members": 2},
        "entropy_ensemble": {"members": 2},
        "bald_ensemble": {"members": 2},
        "mean_std_ensemble": {"members": 2},
        "advbim": {"iterations": 5},
        "kcenter": {},
        "coreset": {"steps": 3, "moves": 100, "programs": 3},
        "kdpp": {},
        "kdpp_linear": {"use": "kdpp", "kernel": "linear"},
        "bait": {},
        "hybrid": {"passes": 3, "diversity": "discriminator", "discriminator_epochs": 1},
        "minimum_distance": {
            "use": "hybrid",
            "diversity": "minimum_distance",
            "combination": "geometric_mean",
            "passes": 3,
        },
    },
    "task": {"epochs": 1},
}
LOOP: dict[str, Any] = {  # the settings of training that the others leave alone
    "strategies": {"random": {}, "margin_ensemble": {"members": 2}},
    "rounds": 2,
    "task": {
        "epochs": 3,
        "optimizer": "adamw",
        "weight_decay": 0.02,
        "weight_decay_on": "kernels",
        "schedule": "fixmatch",
        "schedule_by": "step",
        "clip_norm": 0.5,
        "label_smoothing": 0.1,
        "class_weights": "balanced",
        "initialise": "last",
        "choose_epoch": "best",
        "averaging": "ema",
        "ema_decay": 0.9,
    },
}
SWA: dict[str, Any] = {
    "strategies": {"random": {}},
    "side": 8,
    "channels": 1,
    "rounds": 1,
    "task": {
        "model": {"name": "resnet18", "stem": "7x7"},
        "epochs": 1,
        "optimizer": "rmsprop",
        "schedule": "one_cycle",
        "averaging": "swa",
        "swa_epochs": 2,
        "swa_learning_rate": 0.001,
        "swa_every": 2,
    },
}
COSINE: dict[str, Any] = {
    "strategies": {"random": {}},
    "rounds": 1,
    "task": {"epochs": 3, "schedule": "cosine"},
}
NEWER: dict[str, Any] = {
    "strategies": {
        "max_herding": {},
        "uherding": {"subset": 100},
        "power_bald": {"passes": 3},
        "power_entropy": {"form": "softrank"},
        "falcun": {},
        "clue": {},
        "dropquery": {},
        "alfa_mix": {},
        "noise_stability": {"perturbations": 3},
        "tcm": {"switch": 1.5, "clusters": 12},
        "vessal": {},
        "dcom": {"centre": 0.5, "steepness": 5.0},
        "active_ft": {"iterations": 20},
    },
    "task": {"epochs": 1},
}
LEARNED: dict[str, Any] = {  # what is new in these is the training
    "strategies": {
        "learning_loss": {"width": 8},
        "waal": {"critic_steps": 2, "critic_width": 8},
        "vaal": {"latent": 4, "width": 4, "steps": 4},
        "bgadl": {"passes": 3, "width": 4},
        "ssl_random": {"steps": 6},
        "ssl_consistency": {"steps": 6, "draws": 3},
        "ssl_inconsistency": {"steps": 6},
        "ssl_diff2aug_direct": {"steps": 6},
        "ssl_diff2aug_kmeans": {"steps": 6, "clusters": 4},
        "sure": {
            "learner": {"use": "fixmatch", "steps": 6, "threshold": 0.3},
            "scorer": "margin",
            "selector": "top",
        },
    },
    "rounds": 2,
    "task": {"epochs": 2},
}
STUDIES = {
    "learned": LEARNED,
    "loop": LOOP,
    "swa": SWA,
    "cosine": COSINE,
    "digits": DIGITS,
    "newer": NEWER,
    "rest": REST,
    "grey": GREY,
    "nin": NIN,
    "nin_10": NIN_10,
    "colour": COLOUR,
    "augmented": AUGMENTED,
    "stem": STEM,
}


def write_images(root: Path, side: int, channels: int) -> None:
    """The first digits as an image folder: enlarged by whole pixels and cut to ``side``."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits, scale = load_digits(), -(-side // 8)
    for at, (image, label) in enumerate(zip(digits.images[:100], digits.target, strict=False)):
        pixels = np.kron(image * 15, np.ones((scale, scale)))[:side, :side].astype(np.uint8)
        if channels == 3:
            pixels = np.stack([pixels, pixels[::-1], 255 - pixels], 2)
        part = root / ("test" if at >= 80 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(part / f"{at:03d}.png")


def parameters(name: str, root: Path) -> dict[str, Any]:
    """What params.yaml of a study holds; its image folder is under ``root``."""
    wanted = STUDIES[name]
    changes: dict[str, Any] = {
        "strategies": list(wanted["strategies"]),
        "strategy": wanted["strategies"],
        "tuned": wanted.get("tuned", []),
        "seeds": [3],
        "rounds": rounds(wanted.get("rounds", 3)),
    }
    changes |= {f"task__digits__{key}": value for key, value in wanted["task"].items()}
    if "side" in wanted:
        changes["task__digits__dataset"] = {
            "name": "folder",
            "root": str(root / "images"),
            "channels": wanted["channels"],
        }
        changes["task__digits__thumbnails"] = True  # of a folder there are none by default
    return tree(**changes)


def run(name: str, root: Path) -> dict[str, str]:
    """Compute a study under ``root``; the digest of each kind of file of each of its runs."""
    wanted = STUDIES[name]
    if "side" in wanted:
        write_images(root / "images", wanted["side"], wanted["channels"])
    study = settings.load(write_params(root, parameters(name, root)))
    prepare(study, root, "digits")
    split(study, root, "digits", 3)
    for strategy in study.tuned:
        tune(study, root, "digits", strategy, 3)
    for strategy in study.strategies:
        grow(study, root, "digits", strategy, 3)
    if wanted.get("full"):
        full(study, root, "digits", 3)
    return digests(root)


def digests(root: Path) -> dict[str, str]:
    """``kind/run`` -> SHA-256 of its files in the order of their names; of .npz, of the arrays."""
    totals: dict[str, Any] = {}
    for kind, pattern in KINDS.items():
        for path in sorted((root / kind).glob(pattern)):
            parts = path.relative_to(root / kind).parts
            below = parts[1:] if parts[0] != "digits" else parts
            owner = "shared" if below[1].startswith("seed-") else below[1]
            what = "tuned" if parts[0] == "tuned" else kind
            total = totals.setdefault(f"{what}/{owner}", hashlib.sha256())
            total.update(path.name.encode())
            if path.suffix != ".npz":
                total.update(path.read_bytes())
                continue
            with np.load(path, allow_pickle=False) as stored:
                for key in sorted(stored.files):
                    array = np.ascontiguousarray(stored[key])
                    total.update(f"{key} {array.dtype.str} {array.shape}".encode())
                    total.update(array.tobytes())
    return {key: total.hexdigest()[:16] for key, total in sorted(totals.items())}


def main() -> None:
    """Compare with what is committed, or replace it."""
    parser = argparse.ArgumentParser(
        prog="python tests/golden.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help=f"write {DIGESTS.name}")
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    options = parser.parse_args()
    known = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.exists() else {}
    found = {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = run(name, Path(folder))
    if options.write:
        DIGESTS.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")
        return
    for name, now in found.items():
        before = known.get(name, {})
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                print(f"{name}: {key} is {now.get(key)}, was {before.get(key)}")


if __name__ == "__main__":
    main()
