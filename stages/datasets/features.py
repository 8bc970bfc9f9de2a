"""Frozen features: what a network that was trained elsewhere makes of images, computed once.

They take the place of the images: D numbers each, float32, shape (N, D, 1, 1). A head such as
``linear`` or ``mlp`` is trained on them in seconds, and its embedding is what strategies see.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from stages import catalogue
from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import DataSection, ModelSection
from stages.datasets.images import PARTS, Images
from stages.datasets.listing import path_of
from stages.datasets.prepared import FEATURES
from stages.machine.errors import UserError
from stages.machine.reading import MissingFile, open_regular

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FILES = ("train_features.npy", "test_features.npy")
LABELS = ("train_labels.npy", "test_labels.npy")
KEYS = ("name", "root")  # of a section, which are no settings of its function


def known(settings: dict[str, Any]) -> Facts:
    """Rows and classes are those of the images; how many features there are is not known."""
    given = settings.get("of")
    facts = Facts()
    if given is not None:
        facts = catalogue.find_data_set(given["name"]).known(_settings(given))
    portable = settings.get("model") is None or settings["exact"]
    return Facts(facts.rows, None, facts.classes, features=True, portable=portable)


@dataclass(frozen=True)
class Features(Images):
    """A data set of features; ``train_images`` and ``test_images`` are float32, (N, D, 1, 1)."""

    kind: ClassVar[type] = np.float32

    def faults(self) -> list[str]:
        """As :meth:`Images.faults`; and features that are not finite numbers."""
        found = super().faults()
        for part in ("train", "test") if not found else ():
            features = getattr(self, f"{part}_images")
            if features.shape[2:] != (1, 1) or not np.isfinite(features).all():
                found.append(f"{part} features are not finite numbers, D for each image")
        return found

    def statistics(self) -> tuple[list[float], list[float]]:
        """0 and 1: features are taken as they are."""
        count = self.train_images.shape[1]
        return [0.0] * count, [1.0] * count

    def manifest(self) -> dict[str, Any]:
        """As :meth:`Images.manifest`, and that these are no pictures."""
        return super().manifest() | {"kind": FEATURES}


def load(
    root: Path | None,
    *,
    of: DataSection | None = None,
    model: ModelSection | None = None,
    sha256: Digest | None = None,
    exact: bool = True,
    scale: Literal["none", "standard", "unit"] = "none",
) -> Features:
    """Embeddings of the images of ``of`` by ``model``; or those in two files under ``root``.

    Args:
        root: folder of train_features.npy and test_features.npy, (N, D); in place of a model.
        of: a section like a task's ``dataset``: whose images, and labels. Without it the labels are
            in train_labels.npy and test_labels.npy under ``root``.
        model: a section like a task's ``model``, with pre-trained ``weights``.
        sha256: of the files under ``root``, one after the other: features, then labels.
        exact: whether sums are exact, so that any processor computes the same features; slow.
        scale: ``standard``: each feature has mean 0 and deviation 1 over the training rows;
            ``unit``: each row has length 1; ``none``: as they are.

    Raises:
        UserError: neither or both of ``model`` and ``root``; whatever reading the images, the
            weights or the files may raise.
    """
    given = {"of": of, "model": model, "sha256": sha256}
    if found := faults(given, None if root is None else str(root)):
        raise UserError(f"dataset{found}")
    images = None if of is None else _images(of)
    if model is not None:
        from stages.models.frozen import embeddings

        parts = embeddings(_named(model), images, exact)
        weights = Path(model["weights"]).name
        how = f"features by {model['name']} ({weights}) of {images.source}"
        labels = [images.train_labels, images.test_labels]
    else:
        *parts, labels = _read(root, images, sha256)
        how = f"features from {root.name}"
    return _assembled(parts, labels, images, how, scale)


def faults(settings: dict[str, Any], root: str | None) -> str | None:
    """What contradicts what in the settings, as it follows the section's name; None: nothing."""
    model = settings["model"]
    if (root is None) == (model is None):
        both = "has neither model nor root" if root is None else "has model and root"
        return f" {both}; allowed: a model with weights, or the folder of {' and '.join(FILES)}"
    if model is None:
        return None
    if settings["of"] is None:
        return (
            ".of is missing; allowed: the section of the data set whose images the model is given"
        )
    if not model.get("weights"):
        return ".model.weights is missing: nobody has trained this network"
    if settings["sha256"] is not None:
        return ".sha256 is that of files under root; weights have theirs in model"
    return None


ENTRIES = {"features": DataSet("stages.datasets.features:load", known, faults=faults)}


def _settings(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in KEYS}


def _images(section: dict[str, Any]) -> Images:
    """The data set of a section of settings."""
    entry, root = catalogue.find_data_set(section["name"]), section.get("root")
    images = catalogue.bind(entry.load, _settings(section))(root and path_of(root))
    if not isinstance(images, Images) or images.faults():
        raise UserError(f"dataset.of: {section['name']} gives no stages.datasets.images.Images")
    return images


def _named(section: dict[str, Any]) -> SimpleNamespace:
    """A model's section as :func:`stages.models.build` and ``weights.load`` take it."""
    own = {key: section.get(key) for key in ("name", "weights", "sha256")}
    settings = {key: value for key, value in section.items() if key not in own}
    return SimpleNamespace(**own, settings=settings)


def _read(root: Path, images: Images | None, sha256: str | None) -> list[Any]:
    """Features of both parts, and labels of both, from files with this digest."""
    total, arrays = hashlib.sha256(), []
    for name in (*FILES, *(LABELS if images is None else ())):
        try:
            with open_regular(root / name, follow=True) as stream:
                content = stream.read()
        except MissingFile:
            raise UserError(f"{root / name}: missing") from None
        total.update(content)
        try:
            arrays.append(np.load(io.BytesIO(content), allow_pickle=False))
        except Exception:  # numpy evaluates the header: any kind of error
            raise UserError(f"{root / name}: not a whole .npy file") from None
    if sha256 != total.hexdigest():
        said = "is missing" if sha256 is None else f"is {sha256}"
        raise UserError(
            f"{root}: dataset.sha256 {said}; that of its files one after the other is "
            f"{total.hexdigest()}"
        )
    for name, array in zip(FILES, arrays, strict=False):
        if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
            raise UserError(
                f"{root / name}: {array.dtype} of shape {array.shape}; allowed: floating-point "
                f"numbers of shape (N, D)"
            )
    for name, array in zip(LABELS, arrays[2:], strict=False):
        if array.ndim != 1 or array.dtype.kind not in "iu" or array.min(initial=0) < 0:
            raise UserError(f"{root / name}: allowed: labels from 0, whole numbers of shape (N,)")
    labels = arrays[2:] or [images.train_labels, images.test_labels]
    return [*arrays[:2], labels]


def _assembled(
    parts: list[np.ndarray], labels: list[np.ndarray], images: Images | None, how: str, scale: str
) -> Features:
    from stages.models.frozen import scaled

    train, test = (
        np.asarray(part, np.float32).reshape(*part.shape, 1, 1) for part in scaled(*parts, scale)
    )
    labels = [np.asarray(part, np.int64) for part in labels]
    names = images.classes if images is not None else None
    if names is None:
        names = tuple(str(at) for at in range(int(max(part.max() for part in labels)) + 1))
    arrays = dict(zip(PARTS, (train, labels[0], test, labels[1]), strict=True))
    license = "the user's own" if images is None else images.license
    notes = () if images is None else images.notes
    name = FEATURES if images is None else f"{images.name}_{FEATURES}"
    said = {} if images is None else {**images.groupings(), "about": images.about}
    about = {"name": name, "source": how, "license": license, "notes": notes}
    return Features(**arrays, classes=names, **about, **said)
