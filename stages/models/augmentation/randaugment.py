"""RandAugment (Cubuk et al. 2020): each image goes through operations drawn for it alone.

What a magnitude means differs between the paper and the code of others, so there are variants:

===========  ====================  =====================  ==========================
operation    cubuk, m of 30        munjal, m of 9         fixmatch, drawn at random
===========  ====================  =====================  ==========================
brightness,  1 +- 0.9 m/30         1 +- 0.9 m/9           0.05 to 0.95
color,
contrast,
sharpness
posterize    8 - 4 m/30 bits       8 - 4 m/9 bits         4 to 8 bits
solarize     from 255 - 255 m/30   from 256 - 256 m/9     from 0 to 256
rotate       +- 30 m/30 degrees    +- 30 m/9 degrees      -30 to 30 degrees
shear_x, _y  +- 0.3 m/30           +- 0.3 m/9             -0.3 to 0.3
translate_x  +- 150/331 m/30 W     +- 150/331 m/9 W       -0.3 W to 0.3 W
cutout       no                    side 0.8 m/9 W         no
invert       no                    yes                    no
identity     yes                   no                     yes
===========  ====================  =====================  ==========================

All have autocontrast and equalize. ``cubuk`` is the paper's list of 14 with torchvision's ranges;
``munjal`` the 15 of Munjal et al. 2022's code; ``fixmatch`` Table 12 of Sohn et al. 2020, each
magnitude one of 31 that are equally far from each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from stages.models.augmentation import geometry, tables
from stages.models.augmentation.draws import Draws
from stages.models.augmentation.magnitudes import LEVELS

PAPER = (
    "identity",
    "autocontrast",
    "equalize",
    "rotate",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
LISTS = {"cubuk": PAPER, "munjal": (*PAPER[1:], "invert", "cutout"), "fixmatch": PAPER}
ENHANCED = ("brightness", "color", "contrast", "sharpness")
MOVED = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
LOOKED_UP = {
    "autocontrast",
    "equalize",
    "invert",
    "solarize",
    "posterize",
    "contrast",
    "brightness",
}


@lru_cache
def magnitudes(variant: str) -> dict[str, np.ndarray]:
    """What each operation is given at each level, with a plus and with a minus: (2, levels)."""
    levels = LEVELS[variant] + 1
    signs = np.array([[1.0], [-1.0]])
    far = 0.3 if variant == "fixmatch" else 150.0 / 331.0
    found = {
        "rotate": signs * np.linspace(0, 30, levels),
        "cutout": np.linspace(0, 0.8, levels),
        "posterize": np.round(np.linspace(8, 4, levels)),
        "solarize": np.linspace(255 if variant == "cubuk" else 256, 0, levels),
    }
    found |= {name: signs * np.linspace(0, 0.3, levels) for name in ("shear_x", "shear_y")}
    found |= {name: signs * np.linspace(0, far, levels) for name in ("translate_x", "translate_y")}
    if variant == "fixmatch":
        found |= dict.fromkeys(ENHANCED, np.linspace(0.05, 0.95, levels))
    else:
        found |= dict.fromkeys(ENHANCED, 1 + signs * np.linspace(0, 0.9, levels))
    plain = {name: np.zeros(levels) for name in LISTS[variant] if name not in found}
    return {name: np.broadcast_to(values, (2, levels)) for name, values in (found | plain).items()}


def augmented(
    raw: Tensor, draws: Draws, operations: int, magnitude: int | None, variant: str
) -> Tensor:
    """Each image after ``operations`` of the variant's list, each drawn for this image alone.

    Args:
        raw: uint8, shape (B, C, H, W), C 1 or 3.
        magnitude: the level; None: drawn for each image and operation.
    """
    names, height, width = LISTS[variant], *raw.shape[2:]
    per_name = np.stack([magnitudes(variant)[name] for name in names])
    highs = (len(names), 2, LEVELS[variant] + 1, height, width)
    drawn = draws.integers(*highs * operations).reshape(len(draws), operations, len(highs))
    for which, sign, level, *centre in drawn.transpose(1, 2, 0):
        level = level if magnitude is None else np.full_like(level, magnitude)
        values = per_name[which, sign, level]
        whole = variant != "munjal"  # whose code moves by parts of pixels
        raw = apply(raw, np.array(names)[which], values, np.stack(centre, 1), whole)
    return raw


def apply(
    raw: Tensor, names: np.ndarray, values: np.ndarray, centres: np.ndarray, whole: bool = True
) -> Tensor:
    """One operation of each image.

    Args:
        names: of the operations, str, shape (B,).
        values: what they are given, float64, shape (B,); of a translation and of a cutout, in
            sides of the image.
        centres: of a cutout's square, row and column, int64, shape (B, 2).
        whole: whether a translation is by whole pixels.
    """
    result = raw.clone()

    def put(group: set[str], changed: Callable[[Tensor, np.ndarray], Tensor]) -> None:
        at = np.flatnonzero(np.isin(names, list(group)))
        if len(at):
            index = torch.from_numpy(at).to(raw.device)
            result[index] = changed(raw[index], at)

    put(LOOKED_UP, lambda part, at: tables.look_up(part, _tables(part, names[at], values[at])))
    put(MOVED, lambda part, at: _moved(part, names[at], values[at], whole))
    put({"color"}, lambda part, at: tables.saturated(part, values[at]))
    put({"sharpness"}, lambda part, at: tables.sharpened(part, values[at]))
    put({"cutout"}, lambda part, at: _cut(part, centres[at], values[at]))
    return result


def _tables(raw: Tensor, names: np.ndarray, values: np.ndarray) -> Tensor:
    """The table of each channel of each image, uint8, shape (b, C, 256)."""
    found = np.empty((len(raw), raw.shape[1], 256), np.uint8)
    for name in dict.fromkeys(names.tolist()):
        at = np.flatnonzero(names == name)
        part, given = raw[torch.from_numpy(at).to(raw.device)], values[at]
        if name == "autocontrast":
            found[at] = tables.autocontrasted(part)
        elif name == "equalize":
            found[at] = tables.equalized(part)
        elif name == "invert":
            found[at] = tables.inverted(len(at))[:, None]
        elif name == "solarize":
            found[at] = tables.solarized(given)[:, None]
        elif name == "posterize":
            found[at] = tables.posterized(given.astype(np.int64))[:, None]
        elif name == "contrast":
            found[at] = tables.blended(tables.means(part), given)[:, None]
        else:
            found[at] = tables.blended(np.zeros(len(at)), given)[:, None]
    return torch.from_numpy(found).to(raw.device)


def _moved(raw: Tensor, names: np.ndarray, values: np.ndarray, whole: bool) -> Tensor:
    height, width = raw.shape[2:]
    matrices = np.empty((len(raw), 6))
    for name in dict.fromkeys(names.tolist()):
        at = names == name
        given, zero = values[at], np.zeros(at.sum())
        if name == "rotate":
            matrices[at] = geometry.rotations(given, height, width)
        elif name.startswith("shear"):
            matrices[at] = geometry.shears(*((given, zero) if name == "shear_x" else (zero, given)))
        else:
            given = given * (width if name == "translate_x" else height)
            given = np.trunc(given) if whole else given
            way = (given, zero) if name == "translate_x" else (zero, given)
            matrices[at] = geometry.shifts(*way)
    return geometry.transform(raw, matrices)


def _cut(raw: Tensor, centres: np.ndarray, shares: np.ndarray) -> Tensor:
    sides = (shares * raw.shape[3]).astype(np.int64)
    return geometry.without_squares(raw, centres, sides, 0)
