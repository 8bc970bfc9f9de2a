"""Every operation against PIL's, bit for bit: random and real images, one channel and three."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_digits, load_sample_image
from torchvision.transforms import functional as vision

from stages.machine.errors import UserError
from stages.models.augmentation import geometry, resampling, tables
from stages.models.augmentation.randaugment import LISTS, apply, magnitudes

AFFINE, NEAREST, BILINEAR = Image.Transform.AFFINE, Image.Resampling.NEAREST, 2


def random_images(channels: int, height: int = 9, width: int = 11) -> np.ndarray:
    """Noise, images of few values about one, and images of a single value."""
    rng = np.random.default_rng(channels)
    wide = rng.integers(0, 256, (12, channels, height, width))
    about = rng.integers(0, 256, (12, channels, 1, 1))
    narrow = about + rng.integers(-9, 10, (12, channels, height, width))
    flat = np.broadcast_to(about[:3], (3, channels, height, width))
    return np.concatenate([wide, narrow, flat]).clip(0, 255).astype(np.uint8)


def real_images(channels: int) -> np.ndarray:
    if channels == 1:
        return (load_digits().images[:27, None] * 15).astype(np.uint8)
    photo = load_sample_image("china.jpg").transpose(2, 0, 1)
    return np.stack([photo[:, at : at + 32, 3 * at : 3 * at + 32] for at in range(0, 189, 7)])


IMAGES = {
    f"{kind.__name__[:-7]}, {channels}": kind(channels)
    for kind in (random_images, real_images)
    for channels in (1, 3)
}


def pil(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0).copy())


def array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def same_as(found: torch.Tensor, images: np.ndarray, wanted: Callable) -> None:
    """``wanted`` of each image and its position, by PIL."""
    assert found.dtype == torch.uint8 and found.shape == images.shape
    due = np.stack([array(wanted(pil(image), at)) for at, image in enumerate(images)])
    np.testing.assert_array_equal(found.numpy(), due)


def moved(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, AFFINE, matrix, NEAREST)


PIL = {
    "identity": lambda image, _: image,
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "rotate": lambda image, value: image.rotate(value),
    "solarize": ImageOps.solarize,
    "posterize": lambda image, value: ImageOps.posterize(image, int(value)),
    "color": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "sharpness": lambda image, value: ImageEnhance.Sharpness(image).enhance(value),
    "shear_x": lambda image, value: moved(image, 1, value, 0, 0, 1, 0),
    "shear_y": lambda image, value: moved(image, 1, 0, 0, value, 1, 0),
    "translate_x": lambda image, value: moved(image, 1, 0, value * image.width, 0, 1, 0),
    "translate_y": lambda image, value: moved(image, 1, 0, 0, 0, 1, value * image.height),
}


def applied(images: np.ndarray, name: str, values: np.ndarray, whole: bool = False):
    middle = np.zeros((len(images), 2), np.int64)
    return apply(torch.from_numpy(images), np.repeat(name, len(images)), values, middle, whole)


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("variant", LISTS)
def test_every_operation_at_every_magnitude_is_pils(variant, images):
    for name in LISTS[variant]:
        if name == "cutout":
            continue
        for value in np.unique(magnitudes(variant)[name]):
            found = applied(images[::4], name, np.full(len(images[::4]), value))
            same_as(found, images[::4], lambda image, _, n=name, v=value: PIL[n](image, v))


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("name", ["identity", "autocontrast", "equalize", "invert"])
def test_what_has_no_magnitude_is_pils(name, images):
    same_as(applied(images, name, np.zeros(len(images))), images, PIL[name])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
@given(factors=st.lists(st.floats(-1, 4, width=32), min_size=27, max_size=27))
@settings(max_examples=15)
def test_enhancements_are_pils_with_any_factor(name, channels, factors):
    images = random_images(channels)
    found = applied(images, name, np.array(factors))
    same_as(found, images, lambda image, at: PIL[name](image, factors[at]))


@given(st.lists(st.tuples(st.floats(0, 256), st.integers(1, 8)), min_size=27, max_size=27))
@settings(max_examples=15)
def test_tables_are_pils_with_any_value(values):
    images, (thresholds, bits) = random_images(3), np.array(values).T
    found = applied(images, "solarize", thresholds)
    same_as(found, images, lambda image, at: ImageOps.solarize(image, thresholds[at]))
    found = applied(images, "posterize", bits)
    same_as(found, images, lambda image, at: ImageOps.posterize(image, int(bits[at])))


@pytest.mark.parametrize("size", [(9, 11), (8, 8), (1, 1), (2, 7), (32, 5)])
@given(st.lists(st.one_of(st.floats(-400, 400), st.sampled_from([0, 90, 180, 270])), min_size=27))
@settings(max_examples=15)
def test_rotation_is_pils_with_any_angle(size, angles):
    images, angles = random_images(1, *size), np.array(angles[:27])
    found = applied(images, "rotate", angles)
    same_as(found, images, lambda image, at: image.rotate(angles[at]))


NUMBER = st.floats(-3, 3)
MATRIX = st.one_of(
    st.tuples(NUMBER, NUMBER, st.floats(-30, 30), NUMBER, NUMBER, st.floats(-30, 30)),
    st.tuples(NUMBER, st.just(0.0), NUMBER, st.just(0.0), NUMBER, NUMBER),
)


@given(st.lists(MATRIX, min_size=27, max_size=27))
@settings(max_examples=30)
def test_any_matrix_moves_pixels_as_pil_does(matrices):
    """Both of PIL's ways: fixed point, and sums of floats where nothing is turned or sheared."""
    images = random_images(3)
    found = geometry.transform(torch.from_numpy(images), np.array(matrices))
    same_as(found, images, lambda image, at: moved(image, *matrices[at]))


@given(st.data())
@settings(max_examples=20)
def test_affine_is_torchvisions_on_pils_images(data):
    images = random_images(1)
    turns, moves, scales, slants = (
        data.draw(st.lists(st.integers(-most, most), min_size=27, max_size=27))
        for most in (2880, 5, 1000, 720)
    )
    moves = np.stack([moves, moves[::-1]], 1)
    scales = 1.25 + 0.75 * np.array(scales) / 1000
    turns, slants = np.array(turns) / 16, np.array(slants) / 16
    matrices = geometry.affines(turns, moves, scales, slants, 9, 11)
    found = geometry.transform(torch.from_numpy(images), matrices)

    def wanted(image, at):
        slant = [slants[at], 0.0]
        return vision.affine(image, turns[at], moves[at].tolist(), scales[at], slant)

    same_as(found, images, wanted)


@pytest.mark.parametrize("channels", [1, 3])
@given(st.data())
@settings(max_examples=15)
def test_a_window_is_enlarged_as_pil_does(channels, data):
    images, windows = random_images(channels), []
    for _ in images:
        rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 11))
        top, left = data.draw(st.integers(0, 9 - rows)), data.draw(st.integers(0, 11 - columns))
        windows.append((top, left, rows, columns))
    found = resampling.resized(torch.from_numpy(images), np.array(windows))

    def wanted(image, at):
        top, left, rows, columns = windows[at]
        return image.crop((left, top, left + columns, top + rows)).resize((11, 9), BILINEAR)

    same_as(found, images, wanted)


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
def test_grey_is_pils(images):
    found = tables.grey(torch.from_numpy(images)).numpy()
    due = np.stack([array(pil(image).convert("L")) for image in images])
    np.testing.assert_array_equal(found, due)


def test_colours_of_two_channels_are_refused():
    with pytest.raises(UserError, match="have 2 channels; allowed: 1 or 3"):
        tables.grey(torch.zeros((1, 2, 4, 4), dtype=torch.uint8))


@pytest.mark.parametrize("pad", [1, 4, 7])
def test_padding_is_numpys(pad):
    images = random_images(3, 8, 9)
    corners = np.array([[0, 0], [2 * pad, 2 * pad]]).repeat([14, 13], 0)
    width = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    for mode, name in (("zero", "constant"), ("reflect", "reflect")):
        found = geometry.cropped(torch.from_numpy(images), corners, pad, mode).numpy()
        padded = np.pad(images, width, name)
        np.testing.assert_array_equal(found[:14], padded[:14, :, :8, :9])
        np.testing.assert_array_equal(found[14:], padded[14:, :, -8:, -9:])


def test_no_rounding_of_an_angle_is_a_close_call():
    """Another processor's last bit of a cosine moves no pixel: no angle that can be drawn is near.

    PIL rounds matrices to 2^-16; here all of rotation's angles and of RandAugment's levels.
    """
    levels = [magnitudes(variant)["rotate"].ravel() for variant in LISTS]
    degrees = np.unique(np.concatenate([np.arange(-2880, 2881) / 16, *levels]))
    for side in (8, 28, 32, 64, 96, 224):
        for matrix in geometry.rotations(degrees, side, side).T:
            part = (matrix * 65536 + 0.5) % 1
            exact = np.abs(matrix * 65536 - np.round(matrix * 65536)) < 1e-9
            far = np.minimum(part, 1 - part)
            assert (far[~exact] > 1e-9).all()
    for function in (np.cos, np.sin, np.tan):
        most = 45 if function is np.tan else 180
        angles = np.radians(degrees[np.abs(degrees) <= most])
        part = (function(angles) * 10**geometry.COARSE) % 1
        assert np.abs(part - 0.5).min() > 1e-5


@pytest.mark.parametrize("name", ["translate_x", "translate_y"])
def test_whole_translations_are_cut_off_towards_nothing(name):
    """By int(share x side), as torchvision and the authors of FixMatch have it."""
    images, shares = random_images(1), np.linspace(-0.5, 0.5, 27)
    across, side = name == "translate_x", 11 if name == "translate_x" else 9

    def wanted(image, at):
        way = int(shares[at] * side)
        return moved(image, 1, 0, way * across, 0, 1, way * (not across))

    same_as(applied(images, name, shares, whole=True), images, wanted)
