"""The operations that a task's ``augmentation`` can name, with their settings.

Each takes images and their draws and gives images of the same shape. Settings are read without
torch, which is imported where it runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Pixels, Share
from stages.models.augmentation.magnitudes import LEVELS, USUAL

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models.augmentation.draws import Draws

FINE = 16  # angles are drawn in sixteenths of a degree: few enough that no rounding is a close call
TRIES = 10  # at a window that fits, as torchvision
RATIOS = 1024  # steps between the smallest and the largest ratio of a window's sides
GRID = 2.0**20  # ratios are rounded to its inverse, whatever a processor's exponential gives

Turn = Annotated[float, Field(ge=1, le=180)]
AnyTurn = Annotated[float, Field(ge=0, le=180)]
Slant = Annotated[float, Field(ge=0, le=45)]
Half = Annotated[float, Field(ge=0, le=0.5)]
Zoom = Annotated[float, Field(ge=0.5, le=2)]
Part = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
Byte = Annotated[int, Field(ge=0, le=255)]
Zooms = Annotated[tuple[Zoom, Zoom], Field(strict=False)]
Parts = Annotated[tuple[Part, Part], Field(strict=False)]
Ratios = Annotated[tuple[Ratio, Ratio], Field(strict=False)]
Some = Annotated[int, Field(ge=1, le=15)]
Magnitude = Annotated[int, Field(ge=0, le=30)]


def crop(
    raw: Tensor,
    draws: Draws,
    *,
    padding: Pixels | None = None,
    mode: Literal["zero", "reflect"] = "zero",
) -> Tensor:
    """A window of the old size at a random place of the padded image, any type of pixel.

    Args:
        padding: pixels on each side; None: the task's ``padding``.
        mode: black pixels, or the image mirrored at its border.
    """
    from stages.models.augmentation.geometry import cropped

    return cropped(raw, draws.integers(2 * padding + 1, 2 * padding + 1), padding, mode)


def flip(raw: Tensor, draws: Draws, *, chance: Share = 0.5) -> Tensor:
    """The image mirrored left-right with this chance, any type of pixel."""
    import torch

    mirrored = torch.from_numpy(draws.uniform(1) < chance).to(raw.device)[..., None, None]
    return torch.where(mirrored, raw.flip(3), raw)


def rotation(raw: Tensor, draws: Draws, *, degrees: Turn = 15.0) -> Tensor:
    """The image turned about its middle by up to ``degrees`` either way; what is bare is black."""
    from stages.models.augmentation.geometry import rotations, transform

    return transform(raw, rotations(_angles(draws, degrees)[:, 0], *raw.shape[2:]))


def affine(
    raw: Tensor,
    draws: Draws,
    *,
    degrees: AnyTurn = 0.0,
    translate: Half = 0.1,
    scale: Zooms = (1.0, 1.0),
    shear: Slant = 0.0,
) -> Tensor:
    """Turned, moved, enlarged and sheared, with torchvision's ``RandomAffine``'s matrix.

    Args:
        degrees: up to which it is turned, either way.
        translate: up to which share of its sides it is moved, either way, by whole pixels.
        scale: smallest and largest.
        shear: degrees up to which its columns are slanted, either way.
    """
    from stages.models.augmentation.geometry import affines, transform

    height, width = raw.shape[2:]
    angles = _angles(draws, degrees, shear)
    draws = draws.further(2)
    far = [int(translate * side) for side in (width, height)]
    moves = draws.integers(*(2 * one + 1 for one in far)) - far
    sizes = scale[0] + (scale[1] - scale[0]) * draws.uniform(3)[:, 2]
    return transform(raw, affines(angles[:, 0], moves, sizes, angles[:, 1], height, width))


def _angles(draws: Draws, *most: float) -> np.ndarray:
    """Angles from -most to most in degrees, float64, shape (B, len(most))."""
    ends = [int(one * FINE) for one in most]
    return (draws.integers(*(2 * end + 1 for end in ends)) - ends) / FINE


def resized_crop(
    raw: Tensor,
    draws: Draws,
    *,
    area: Parts = (0.08, 1.0),
    ratio: Ratios = (0.75, 1.3333333333333333),
) -> Tensor:
    """A random window of the image, enlarged to the old size (bilinear).

    Szegedy et al. 2015, as torchvision's ``RandomResizedCrop``: of ten windows the first that fits,
    else the largest in the middle.

    Args:
        area: smallest and largest share of the image's area.
        ratio: smallest and largest width of a window in heights; its logarithm is uniform.
    """
    from stages.models.augmentation.resampling import resized

    height, width = raw.shape[2:]
    share = area[0] + (area[1] - area[0]) * draws.uniform(TRIES)
    logarithms = np.linspace(math.log(ratio[0]), math.log(ratio[1]), RATIOS + 1)
    ratios = np.array([round(math.exp(one) * GRID) / GRID for one in logarithms])
    drawn = ratios[draws.further(3).integers(*[RATIOS + 1] * TRIES)]
    columns = np.round(np.sqrt(height * width * share * drawn)).astype(np.int64)
    rows = np.round(np.sqrt(height * width * share / drawn)).astype(np.int64)
    fits = (columns >= 1) & (columns <= width) & (rows >= 1) & (rows <= height)
    first, each = fits.argmax(1), np.arange(len(draws))
    wide = min(width, max(1, round(height * ratio[1])))
    high = min(height, max(1, round(width / ratio[0])))
    columns = np.where(fits.any(1), columns[each, first], wide)
    rows = np.where(fits.any(1), rows[each, first], high)
    places = draws.further(6).integers(height - rows + 1, width - columns + 1)
    middle = np.stack([(height - rows) // 2, (width - columns) // 2], 1)
    places = np.where(fits.any(1)[:, None], places, middle)
    return resized(raw, np.stack([*places.T, rows, columns], 1))


def color_jitter(
    raw: Tensor,
    draws: Draws,
    *,
    brightness: Share = 0.4,
    contrast: Share = 0.4,
    saturation: Share = 0.4,
) -> Tensor:
    """Brightness, contrast and saturation times a factor from 1 - x to 1 + x, in random order.

    As torchvision's ``ColorJitter`` on PIL's images, without hue.
    """
    from stages.models.augmentation.randaugment import apply

    names = np.array(["brightness", "contrast", "color"])
    reach = np.array([brightness, contrast, saturation])
    factors = 1 - reach + 2 * reach * draws.uniform(3)
    orders = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    nowhere = np.zeros((len(draws), 2), np.int64)
    for which in orders[draws.further(1).integers(6)[:, 0]].T:
        raw = apply(raw, names[which], factors[np.arange(len(draws)), which], nowhere)
    return raw


def grayscale(raw: Tensor, draws: Draws, *, chance: Share = 0.2) -> Tensor:
    """The image without its colours with this chance."""
    import torch

    from stages.models.augmentation.tables import grey

    chosen = torch.from_numpy(draws.uniform(1) < chance).to(raw.device)[..., None, None]
    return torch.where(chosen, grey(raw), raw)


def cutout(
    raw: Tensor, draws: Draws, *, size: Part = 0.5, fill: Byte = 0, chance: Share = 1.0
) -> Tensor:
    """A square about a random pixel filled; DeVries & Taylor 2017.

    Args:
        size: its side in widths of the image, cut off to whole pixels.
        fill: value of its pixels.
        chance: with which an image has one.
    """
    from stages.models.augmentation.geometry import without_squares

    height, width = raw.shape[2:]
    present = draws.uniform(3)[:, 2] < chance
    sides = np.where(present, int(size * width), 0)
    return without_squares(raw, draws.integers(height, width), sides, fill)


def randaugment(
    raw: Tensor,
    draws: Draws,
    *,
    operations: Some = 2,
    magnitude: Magnitude | None = None,
    variant: Literal["cubuk", "munjal", "fixmatch"] = "cubuk",
) -> Tensor:
    """Operations drawn for each image alone; Cubuk et al. 2020.

    Args:
        operations: N, how many, one after another.
        magnitude: M, the level of all: 0 to 30 of ``cubuk`` (None: 9), 0 to 9 of ``munjal``
            (None: 5); ``fixmatch`` draws it for each.
        variant: whose list of operations and whose meaning of a level.
    """
    from stages.models.augmentation.randaugment import augmented

    level = USUAL.get(variant) if magnitude is None else magnitude
    return augmented(raw, draws, operations, level, variant)


def misfit(name: str, settings: dict[str, object]) -> str | None:
    """What no bound of a single setting can say is wrong with an operation's settings."""
    for key in ("scale", "area", "ratio"):
        ends = settings.get(key)
        if ends is not None and ends[0] > ends[1]:
            return f"{name}.{key} is {list(ends)}; allowed: the smaller number first"
    magnitude, variant = settings.get("magnitude"), settings.get("variant")
    if magnitude is None:
        return None
    if variant not in USUAL:
        return f"{name}.magnitude is {magnitude}, but {variant} draws it; allowed: none"
    if magnitude > LEVELS[variant]:
        return (
            f"{name}.magnitude is {magnitude}, but {variant} has levels from 0 to {LEVELS[variant]}"
        )
    return None
