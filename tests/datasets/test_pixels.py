"""One file to pixels: every mode and depth by its rule, or refused. Files are written by hand."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from folders import one_line
from PIL import Image, ImageCms

from benchmarks import image_files as files
from stages.datasets.pixels import Facts, _over_background, _planes, read_image
from stages.machine.errors import UserError

RAMP = np.arange(65536).reshape(256, 256, 1)


def read(content: bytes, tmp_path: Path, channels: int = 3) -> tuple[np.ndarray, Facts]:
    """Pixels as int (C, H, W)."""
    path = tmp_path / "x.png"  # the content decides, not the ending
    path.write_bytes(content)
    pixels, facts = read_image(path, None, channels)
    assert pixels.dtype == np.uint8
    return pixels.astype(int), facts


def refused(content: bytes, tmp_path: Path) -> str:
    with pytest.raises(UserError) as raised:
        read(content, tmp_path)
    message = one_line(raised)
    assert "x.png: " in message
    return message


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


# 16 bits


@pytest.mark.parametrize(
    "content",
    [
        files.png(RAMP, 0, 16),
        files.tiff(RAMP, 1, 16, "<"),
        files.tiff(RAMP, 1, 16, ">"),
        files.tiff(RAMP, 1, 16, "<", sample_format=1),
        files.tiff(65535 - RAMP, 0, 16, "<"),  # white is zero
    ],
    ids=["png", "little-endian tiff", "big-endian tiff", "unsigned tiff", "white is zero"],
)
def test_16_bits_of_grey_give_the_high_byte(tmp_path, content):
    pixels, facts = read(content, tmp_path, channels=1)
    assert (pixels[0] == np.arange(256)[:, None]).all()
    assert "16 bits to 8" in facts.changes and facts.largest == 1


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_16_bits_of_colour_follow_the_same_rule(tmp_path, planes):
    samples = np.repeat(RAMP, planes, axis=2)
    if planes != 3:
        samples[..., -1] = 65535
    content = files.png(samples, {2: 4, 3: 2, 4: 6}[planes], 16)
    pixels, facts = read(content, tmp_path)
    assert (pixels == np.arange(256)[:, None]).all() and "16 bits to 8" in facts.changes
    if planes > 2:
        pixels, _ = read(
            files.tiff(samples, 2, 16, ">", extra_samples=[2] * (planes == 4)), tmp_path
        )
        assert (pixels == np.arange(256)[:, None]).all()


def test_8_bits_stored_in_16_come_back(tmp_path):
    values = np.arange(256).reshape(16, 16, 1)
    assert (read(files.png(values * 257, 0, 16), tmp_path)[0] == values[..., 0]).all()


def test_12_bits_are_12_bits(tmp_path):
    values = np.arange(4096).reshape(64, 64, 1)
    pixels, facts = read(files.tiff(values, 1, 12, "<"), tmp_path, 1)
    assert (pixels[0] == values[..., 0] >> 4).all() and facts.largest == 1


def test_netpbm_is_scaled_by_its_largest_value(tmp_path):
    values = np.arange(1001).reshape(7, 143, 1)
    for planes, off in ((3, 0), (1, 1)):
        content = files.netpbm(np.repeat(values, planes, axis=2), 1000, plain=False)
        expected = np.round(values[..., 0] / 1000 * 255)
        assert np.abs(read(content, tmp_path)[0] - expected).max() <= off
    deep = files.netpbm(RAMP, 65535, plain=False)
    assert (read(deep, tmp_path, 1)[0] == np.round(RAMP[..., 0] / 257)).all()


def test_a_dark_16_bit_folder_is_remarked(tmp_path):
    from folders import animals
    from folders import read as read_folder

    root = animals(tmp_path / "animals")
    for path in root.glob("*/*/*.png"):
        path.write_bytes(files.png(np.full((4, 6, 1), 4095), 0, 16))
    assert "16-bit grey images use 6.25% of their range" in "\n".join(read_folder(root).notes)


# fewer than 8 bits, palettes


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("keyed", [False, True])
def test_few_bits_of_grey_are_spread_over_all_levels(tmp_path, depth, keyed):
    most = 2**depth - 1
    samples = np.arange(most + 1)[None, :, None].repeat(3, 0)
    key = (1).to_bytes(2, "big") if keyed else None
    pixels, _ = read(files.png(samples, 0, depth, transparency=key), tmp_path, 1)
    expected = samples[..., 0] * 255 / most
    expected[:, 1] = 255 if keyed else expected[:, 1]
    assert (pixels[0] == expected).all()


def test_white_is_zero_is_turned_round(tmp_path):
    values = np.arange(256).reshape(16, 16, 1)
    assert (read(files.tiff(values, 0, 8, "<"), tmp_path, 1)[0] == 255 - values[..., 0]).all()


# transparency


@pytest.mark.parametrize("alpha", [0, 1, 100, 128, 254, 255])
def test_transparency_lies_over_white_and_hidden_colours_stay_hidden(tmp_path, alpha):
    values = np.arange(256).reshape(16, 16, 1)
    samples = np.concatenate([values, 255 - values, values, np.full_like(values, alpha)], axis=2)
    pixels, facts = read(files.png(samples, 6, 8), tmp_path)
    exact = (alpha * samples[..., :3] + (255 - alpha) * 255) / 255
    assert (pixels == np.floor(exact + 0.5).transpose(2, 0, 1)).all()
    assert ("transparent over white" in facts.changes) == (alpha < 255)
    if alpha == 0:
        assert (pixels == 255).all()


@pytest.mark.parametrize("planes", [2, 4])
def test_one_transparent_pixel(tmp_path, planes):
    content = files.png(np.full((1, 1, planes), 51), {2: 4, 4: 6}[planes], 8)
    assert (read(content, tmp_path)[0] == 214).all()  # (51 * 51 + 204 * 255) / 255 = 214.2


@pytest.mark.parametrize("mode", ["LA", "La", "RGBA", "RGBa", "P", "1"])
def test_a_hidden_colour_shows_in_no_mode(mode):
    image = Image.new("RGBA", (4, 3), (10, 20, 30, 0))
    image.putpixel((0, 0), (40, 40, 40, 255))
    if mode == "1":
        image = Image.new("1", (4, 3), 0)
        image.info["transparency"] = 0
    elif mode == "P":
        image = image.quantize(4)
    else:
        image = image.convert(mode.upper()).convert(mode)
    facts = Facts()
    planes = _planes(image, 1 if mode == "1" else 8, image.info.get("transparency"), facts)
    flat = _over_background(planes, facts)
    assert (flat[1:] == 255).all() and "transparent over white" in facts.changes


def test_a_palette_with_alpha(tmp_path):
    palette = np.arange(768).reshape(256, 3) % 251
    samples = np.array([[[5, 100], [6, 0], [7, 255]]])
    content = files.tiff(samples, 3, 8, "<", extra_samples=[2], palette=palette)
    exact = (100 * palette[5] + 155 * 255) / 255
    expected = [np.floor(exact + 0.5).tolist(), [255] * 3, palette[7].tolist()]
    assert read(content, tmp_path)[0].transpose(1, 2, 0)[0].tolist() == expected


def test_16_bits_with_a_transparent_grey(tmp_path):
    samples = np.array([[[0], [300], [511]]])
    content = files.png(samples, 0, 16, transparency=(300).to_bytes(2, "big"))
    # 300 and 511 have the same high byte; only one is transparent.
    assert read(content, tmp_path, 1)[0].tolist() == [[[0, 255, 1]]]


# colours


def test_inverted_cmyk_of_adobe_is_turned_back(tmp_path):
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    pixels, facts = read(saved(cyan, "JPEG", quality=100), tmp_path)
    assert np.abs(pixels[:, 4, 4] - [0, 255, 255]).max() <= 3
    assert facts.mode == "CMYK" and "CMYK to RGB" in facts.changes


def test_cmyk_that_does_not_say_whether_it_is_inverted_is_refused(tmp_path):
    content = saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG")
    at = content.index(b"Adobe") - 4
    length = struct.unpack(">H", content[at + 2 : at + 4])[0]
    message = refused(content[:at] + content[at + 2 + length :], tmp_path)
    assert "CMYK without Adobe's marker" in message


def test_cmyk_of_tiff_is_the_product_of_what_the_inks_let_through(tmp_path):
    samples = np.random.default_rng(0).integers(0, 256, (9, 9, 4))
    pixels, _ = read(files.tiff(samples, 5, 8, "<"), tmp_path)
    exact = (255 - samples[..., :3]) * (255 - samples[..., 3:]) / 255
    assert (pixels == np.floor(exact + 0.5).transpose(2, 0, 1)).all()


def test_colour_to_grey_is_the_luma_of_bt601(tmp_path):
    samples = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    pixels, _ = read(files.png(samples, 2, 8), tmp_path, 1)
    assert np.abs(pixels[0] - samples @ [0.299, 0.587, 0.114]).max() <= 0.5 + 1e-2


def test_a_colour_profile_is_ignored_and_said(tmp_path):
    image = Image.new("RGB", (4, 4), (10, 200, 30))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    pixels, facts = read(saved(image, "PNG", icc_profile=lab), tmp_path)
    assert pixels[:, 0, 0].tolist() == [10, 200, 30] and "colour profile ignored" in facts.changes
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    _, facts = read(saved(image, "PNG", icc_profile=srgb), tmp_path)
    assert not facts.changes


# orientation


UPRIGHT = np.array([[1, 2, 3], [4, 5, 6]])
# EXIF 2.32, 4.6.4 A: where row 0 and column 0 of what is stored are seen.
STORED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
    0: [[1, 2, 3], [4, 5, 6]],
    9: [[1, 2, 3], [4, 5, 6]],
}


@pytest.mark.parametrize("orientation", list(STORED))
@pytest.mark.parametrize("kind", ["png", "tiff", "png of 16 bits"])
def test_images_are_turned_upright(tmp_path, orientation, kind):
    stored = np.array(STORED[orientation])[..., None]
    chunk = [(b"eXIf", files.exif(orientation))]
    if kind == "tiff":
        content = files.tiff(stored, 1, 8, "<", orientation=orientation)
    elif kind == "png":
        content = files.png(stored, 0, 8, extra=chunk)
    else:
        content = files.png(stored * 256, 0, 16, extra=chunk)
    pixels, facts = read(content, tmp_path, 1)
    assert pixels[0].tolist() == UPRIGHT.tolist() and facts.size == (2, 3)
    assert ("turned upright" in facts.changes) == (orientation in range(2, 9))


# refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (files.tiff(np.ones((3, 3, 1), np.float32), 1, 32, "<", 3), "floating-point values"),
        (files.tiff(np.ones((3, 3, 1), np.int32), 1, 32, "<", 2), "32-bit or signed integers"),
        (files.tiff(np.ones((3, 3, 1), np.uint32), 1, 32, "<", 1), "32-bit or signed integers"),
        (files.tiff(np.ones((3, 3, 1)), 1, 16, "<", 2), "signed"),
        (files.tiff(np.ones((3, 3, 1)), 1, 8, "<", 2), "signed samples"),
        (files.tiff(np.ones((3, 3, 3)), 8, 8, "<"), r"L\*a\*b\* colours"),
        (b"Pf\n3 3\n-1.0\n" + bytes(36), "floating-point values"),
        (files.png(np.ones((3, 3, 3)), 2, 16, None, bytes(6)), "a transparent colour; convert"),
    ],
    ids=["float", "int32", "uint32", "int16", "int8", "lab", "pfm", "16-bit key"],
)
def test_what_has_no_rule_is_refused_by_name(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as raised:
        read(content, tmp_path)
    assert "x.png: " in one_line(raised)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_more_than_one_picture_is_refused(tmp_path, kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((1, 2, 3), (200, 0, 0))]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "more than one picture" in refused(content, tmp_path)


def test_a_format_that_runs_programs_is_never_opened(tmp_path):
    assert "not a readable image (no PNG," in refused(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 5\n", tmp_path
    )


# bombs and damage


def test_more_pixels_than_allowed_are_refused(tmp_path):
    for side in (8193, 12000, 60000):
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")]
        message = refused(files.png_chunks(chunks), tmp_path)
        assert f"{side * side} pixels; allowed: up to 67108864" in message


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path):
    whole = saved(Image.new("L", (64, 64)), "JPEG", progressive=True)
    table, scan = whole.rfind(b"\xff\xc4"), whole.rfind(b"\xff\xda")
    last = whole[min(table, scan) : -2]
    assert read(whole, tmp_path, 1)[0].shape == (1, 64, 64)
    assert "scans; allowed: up to 100" in refused(whole[:-2] + last * 1000 + whole[-2:], tmp_path)


def test_text_that_swells_is_refused(tmp_path):
    bomb = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**25)))
    content = files.png(np.zeros((3, 3, 3), int), 2, 8, extra=[bomb])
    assert "not a readable image" in refused(content, tmp_path)


def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch):
    content = files.png(np.zeros((3, 3, 3), int), 2, 8)
    for fault in (RecursionError("deep"), struct.error("short"), KeyError(7), AssertionError()):

        def fails(*_, fault=fault, **__):
            raise fault

        monkeypatch.setattr("PIL.ImageOps.exif_transpose", fails)
        assert "not a readable image" in refused(content, tmp_path)


def test_a_decoders_warning_is_counted(tmp_path):
    content = saved(Image.new("RGB", (4, 4)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01")
    _, facts = read(content, tmp_path)
    assert "decoder warned" in facts.changes


def test_what_a_decoder_logs_is_no_second_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as outside of a test
    content = files.tiff(np.ones((3, 3, 1)), 1, 8, "<")
    samples = struct.pack("<HHII", 277, 3, 1, 1)
    assert samples in content
    broken = content.replace(samples, struct.pack("<HHII", 277, 3, 1, 9999))
    assert "not a readable image" in refused(broken, tmp_path)
    assert capsys.readouterr() == ("", "")
