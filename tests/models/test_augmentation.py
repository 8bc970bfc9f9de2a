"""Augmentation of batches: what each operation may do, whose draws decide, what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from halves import problem
from torchvision.transforms import RandAugment

from stages.catalogue.augmentation import OPERATIONS, complete
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models import build
from stages.models.augmentation import Augmentation, Draws, operations
from stages.models.augmentation import randaugment as module
from stages.models.fit import cross_entropy, fit, fresh
from stages.models.views import draws_of
from stages.rounds.context import Learned, Pool

ALL = [
    "crop",
    {"crop": {"padding": 3, "mode": "reflect"}},
    "flip",
    {"rotation": 180},
    {"affine": {"degrees": 20, "translate": 0.3, "scale": [0.7, 1.4], "shear": 10}},
    "resized_crop",
    "color_jitter",
    {"grayscale": 0.5},
    {"cutout": {"size": 0.4, "fill": 127, "chance": 0.7}},
    "randaugment",
    {"randaugment": {"operations": 3, "variant": "munjal"}},
    {"randaugment": {"operations": 3, "variant": "fixmatch"}},
]


def pictures(count: int = 40, channels: int = 3, height: int = 6, width: int = 5) -> torch.Tensor:
    values = np.random.default_rng(0).integers(1, 256, (count, channels, height, width))
    return torch.from_numpy(values.astype(np.uint8))


def draws(count: int, epoch: int = 0) -> Draws:
    return Draws.of(np.random.SeedSequence(0), np.arange(count), epoch)


def crops_of(image: torch.Tensor, padding: int, flip: bool) -> dict[bytes, tuple[int, int, bool]]:
    """Every allowed outcome of one image."""
    padded = np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)))
    found = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            cut = padded[:, top : top + 6, left : left + 5]
            found[cut.tobytes()] = (top, left, False)
            if flip:
                found[cut[:, :, ::-1].tobytes()] = (top, left, True)
    return found


@pytest.mark.parametrize(("kind", "flip"), [("crop", False), ("crop_flip", True)])
@pytest.mark.parametrize("padding", [1, 3])
def test_every_output_is_a_crop_of_its_own_padded_image(kind, flip, padding):
    images = pictures()
    outputs = Augmentation(kind, padding)(images, draws(40))
    assert outputs.shape == images.shape and outputs.dtype == torch.uint8
    found = [
        crops_of(image, padding, flip)[output.numpy().tobytes()]
        for image, output in zip(images, outputs, strict=True)
    ]
    assert len(set(found)) > 5
    assert {one[2] for one in found} == ({False, True} if flip else {False})


def test_draws_cover_every_place_and_both_sides_evenly():
    """The last offset too."""
    images = pictures(1)[:1].expand(3000, -1, -1, -1)
    outputs = Augmentation("crop_flip", 1)(images, draws(3000))
    allowed = crops_of(images[0], 1, True)
    found = [allowed[output.numpy().tobytes()] for output in outputs]
    counts = np.unique(
        np.array([top * 6 + left * 2 + side for top, left, side in found]), return_counts=True
    )[1]
    assert len(counts) == 18
    assert counts.min() > 3000 / 18 * 0.65 and counts.max() < 3000 / 18 * 1.35


def test_without_augmentation_images_stay():
    images = pictures()
    assert Augmentation()(images, draws(40)) is images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", ALL, ids=str)
def test_neither_size_nor_order_nor_company_of_a_batch_changes_an_image(step, channels):
    images = pictures(60, channels, 12, 10)
    before, view = images.clone(), Augmentation([step])
    together = view(images, draws(60))
    assert together.dtype == torch.uint8 and together.shape == images.shape
    order = np.random.default_rng(1).permutation(60)
    shuffled = view(images[torch.from_numpy(order)], draws(60).among(order))
    assert torch.equal(shuffled, together[torch.from_numpy(order)])
    for part in (slice(7, 8), slice(20, 33)):
        alone = view(images[part], draws(60).among(np.arange(60)[part]))
        assert torch.equal(alone, together[part])
    assert torch.equal(before, images)
    if channels == 3 or step not in ("color_jitter", {"grayscale": 0.5}):
        assert not torch.equal(together, images)
        assert not torch.equal(together, view(images, draws(60, epoch=1)))


def test_operations_follow_each_other_with_draws_of_their_own():
    images, place = pictures(), draws(40)
    turned = operations.rotation(images, place.at(0), degrees=90.0)
    found = Augmentation([{"rotation": 90}, "flip"])(images, place)
    assert torch.equal(found, operations.flip(turned, place.at(1)))
    assert not torch.equal(found, operations.flip(turned, place.at(0)))


def operations_of(images: torch.Tensor, monkeypatch, **settings) -> list[tuple[np.ndarray, ...]]:
    """Names and values of each operation, one after another."""
    seen: list[tuple[np.ndarray, ...]] = []
    monkeypatch.setattr(module, "apply", lambda raw, *given: seen.append(given[:2]) or raw)
    Augmentation([{"randaugment": settings}])(images, draws(len(images)))
    return seen


@pytest.mark.parametrize("variant", module.LISTS)
def test_randaugment_draws_operations_for_each_image_alone(variant, monkeypatch):
    """All of the list about equally often, in one batch, and independently one after another."""
    seen = operations_of(pictures(3000, 1), monkeypatch, variant=variant, operations=2)
    assert len(seen) == 2
    kinds = len(module.LISTS[variant])
    for names, values in seen:
        for signed in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y"):
            given = values[names == signed]
            assert 0.3 < (given > 0).mean() < 0.7 and 0.3 < (given < 0).mean() < 0.7
        levels = len(np.unique(np.abs(values[names == "rotate"])))
        assert levels > 25 if variant == "fixmatch" else levels == 1
        found, counts = np.unique(names, return_counts=True)
        assert set(found) == set(module.LISTS[variant])
        assert ((counts - 3000 / kinds) ** 2 / (3000 / kinds)).sum() < 40
    assert abs((seen[0][0] == seen[1][0]).mean() - 1 / kinds) < 0.02


def test_munjals_list_is_the_fifteen_of_its_code():
    assert len(module.LISTS["munjal"]) == 15
    assert {"invert", "cutout"} < set(module.LISTS["munjal"])
    assert "identity" not in module.LISTS["munjal"]
    assert len(module.LISTS["cubuk"]) == 14 and "identity" in module.LISTS["cubuk"]


@pytest.mark.parametrize(
    ("variant", "level", "values"),
    [
        ("cubuk", 9, {"rotate": 9, "shear_x": 0.09, "translate_y": 0.3 * 150 / 331}),
        ("cubuk", 9, {"brightness": 1.27, "posterize": 7, "solarize": 178.5}),
        ("cubuk", 30, {"rotate": 30, "color": 1.9, "posterize": 4, "solarize": 0}),
        ("munjal", 5, {"rotate": 50 / 3, "contrast": 1.5, "posterize": 6, "cutout": 4 / 9}),
        ("munjal", 9, {"shear_y": 0.3, "translate_x": 150 / 331, "cutout": 0.8, "solarize": 0}),
        ("munjal", 0, {"sharpness": 1, "posterize": 8, "solarize": 256, "cutout": 0}),
        ("fixmatch", 0, {"sharpness": 0.05, "rotate": 0, "posterize": 8, "solarize": 256}),
        ("fixmatch", 30, {"color": 0.95, "translate_x": 0.3, "shear_x": 0.3, "posterize": 4}),
    ],
)
def test_magnitudes_are_those_of_the_publications(variant, level, values):
    found = module.magnitudes(variant)
    for name, value in values.items():
        assert found[name][0, level] == pytest.approx(value), name
    signed = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
    for name, levels in found.items():
        if name in signed:
            np.testing.assert_array_equal(levels[1], -levels[0])
        elif name in module.ENHANCED and variant != "fixmatch":
            np.testing.assert_allclose(levels.sum(0), 2)


def test_cubuks_magnitudes_are_torchvisions():
    theirs = RandAugment()._augmentation_space(31, (331, 331))
    ours, names = module.magnitudes("cubuk"), {name.replace("_", ""): name for name in module.PAPER}
    assert {name.lower() for name in theirs} == set(names)
    for name, (values, signed) in theirs.items():
        found = ours[names[name.lower()]]
        if name.startswith("Translate"):
            found = found * 331
        elif names[name.lower()] in module.ENHANCED:
            found = found - 1
        due = np.broadcast_to(values.double().numpy(), 31)
        np.testing.assert_allclose(found, np.stack([due, -due if signed else due]), atol=1e-4)


def test_a_greater_magnitude_changes_more():
    images = pictures(300, 3, 16, 16)
    found = [
        (Augmentation([{"randaugment": {"magnitude": level}}])(images, draws(300)).int() - images)
        .abs()
        .double()
        .mean()
        for level in (0, 3, 9, 30)
    ]
    assert found == sorted(found) and found[0] < found[3] / 3


def test_rotations_and_shifts_go_both_ways_up_to_their_bounds():
    images = torch.zeros((400, 1, 33, 33), dtype=torch.uint8)
    images[:, 0, 16, 30] = 255  # right of the middle
    found = Augmentation([{"rotation": 30}])(images, draws(400))[:, 0].numpy()
    at, rows, columns = found.nonzero()
    angles = np.degrees(np.arctan2(16 - rows, columns - 16))
    assert np.abs(angles).max() < 33 and angles.min() < -24 and angles.max() > 24
    images = images.roll(-14, 3)  # to the middle
    found = Augmentation([{"affine": {"translate": 0.1}}])(images, draws(400))[:, 0].numpy()
    at, rows, columns = found.nonzero()
    assert len(at) == 400 and set(rows) == set(columns) == set(range(13, 20))


def test_cutout_is_about_a_random_pixel_and_cut_off_at_the_border():
    images = torch.full((2000, 1, 8, 8), 9, dtype=torch.uint8)
    found = Augmentation([{"cutout": {"size": 0.5, "fill": 3}}])(images, draws(2000))[:, 0].numpy()
    holes = (found == 3).sum((1, 2))
    assert holes.max() == 16 and holes.min() == 4 and set(np.unique(found)) == {3, 9}
    for hole in found == 3:
        rows, columns = hole.any(1), hole.any(0)
        assert hole.sum() == rows.sum() * columns.sum()
        assert np.ptp(rows.nonzero()) == rows.sum() - 1
    share = Augmentation([{"cutout": {"chance": 0.25}}])(images, draws(2000))
    assert abs((share == 0).any(3).any(2).double().mean() - 0.25) < 0.04


def test_windows_have_the_area_and_the_ratio_that_is_asked_for(monkeypatch):
    from stages.models.augmentation import resampling

    seen = []
    monkeypatch.setattr(resampling, "resized", lambda raw, windows: seen.append(windows) or raw)
    setting = {"resized_crop": {"area": [0.25, 0.5], "ratio": [0.5, 2]}}
    Augmentation([setting])(pictures(4000, 1, 64, 48), draws(4000))
    top, left, rows, columns = seen[0].T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + rows).max() == 64 and (left + columns).max() == 48
    area, ratio = rows * columns / (64 * 48), columns / rows
    assert 0.24 < area.min() < 0.26 and 0.49 < area.max() < 0.51 and abs(area.mean() - 0.37) < 0.02
    assert 0.48 < ratio.min() < 0.55 and 1.5 < ratio.max() < 2.1


def test_colours_are_jittered_in_every_order(monkeypatch):
    seen, plain = [], module.apply
    monkeypatch.setattr(
        module, "apply", lambda raw, names, *rest: seen.append(names) or plain(raw, names, *rest)
    )
    Augmentation(["color_jitter"])(pictures(300), draws(300))
    orders, counts = np.unique(np.stack(seen, 1), axis=0, return_counts=True)
    assert len(orders) == 6 and counts.min() > 25
    assert all(set(order) == {"brightness", "contrast", "color"} for order in orders)


def test_images_in_float_are_rounded_where_they_are_more_than_moved():
    """As the adversarial images of earlier rounds are, in units of pixels and not clipped."""
    images = pictures()
    blurred = images.float() + 0.25
    blurred[0, 0, 0, 0] = 300.0
    assert Augmentation("crop_flip")(blurred, draws(40)).dtype == torch.float32
    view = Augmentation([{"grayscale": 0.0}])
    images[0, 0, 0, 0] = 255
    assert torch.equal(view(blurred, draws(40)), images)


# in training and out of it


def test_each_epoch_and_each_pass_over_the_unlabeled_rows_has_draws_of_its_own():
    given, seen = problem(rows=20, epochs=4, batch_size=20, augmentation="crop", padding=2), []

    def loss(batch, network):
        for images in (batch.labeled, batch.unlabeled):
            shown = {name: images.view(name) for name in ("train", "other")}
            seen.append((images.rows, images.epochs, shown))
        return cross_entropy(batch, network)

    views = {"other": Augmentation([{"crop": 3}])}
    fit(fresh(given), given, loss, views=views, unlabeled_per_labeled=1)
    plain = Augmentation("crop", 2)
    for which, size, name, view, purpose in (
        (0, 20, "train", plain, Purpose.AUGMENTATION),
        (1, 40, "train", plain, Purpose.UNLABELED_AUGMENTATION),
        (0, 20, "other", views["other"], Purpose.VIEWS),
        (1, 40, "other", views["other"], Purpose.UNLABELED_VIEWS),
    ):
        rows = np.concatenate([one[0] for one in seen[which::2]])
        epochs = np.concatenate([np.broadcast_to(one[1], 20) for one in seen[which::2]])
        images = torch.cat([one[2][name] for one in seen[which::2]])
        np.testing.assert_array_equal(epochs, np.arange(80) // size)
        key = name if name == "other" else ""
        due = view(given.batches.raw(rows), draws_of(given, purpose, rows, epochs, key))
        assert torch.equal(images, given.batches.normalise(due))


def test_the_order_of_views_and_further_views_change_no_draw():
    given = problem(epochs=1)

    def seen(*names):
        found = {}

        def loss(batch, network):
            found.update({name: batch.labeled.view(name) for name in names})
            return cross_entropy(batch, network)

        fit(fresh(given), given, loss, views=dict.fromkeys(names, Augmentation("crop", 2)))
        return found

    one, other = seen("weak", "strong"), seen("strong", "third", "weak")
    assert torch.equal(one["weak"], other["weak"]) and torch.equal(one["strong"], other["strong"])
    assert not torch.equal(one["weak"], one["strong"])


def test_seed_round_part_and_purpose_all_key_the_draws():
    rounds = [problem(seed=seed, round_n=n) for seed in (0, 1) for n in (0, 1)]
    rounds.append(dataclasses.replace(rounds[0], part=1))
    rows = np.arange(5)
    found = {
        draws_of(one, purpose, rows, name=name).words(1).tobytes()
        for one in rounds
        for purpose in (Purpose.AUGMENTATION, Purpose.VIEWS)
        for name in ("", "weak", "strong")
    }
    assert len(found) == 5 * 2 * 3


def test_scoring_sees_images_as_they_are():
    """Whatever the task's augmentation: the pool, the validation rows and the test set."""
    outputs = []
    for setting in ("none", [{"randaugment": 3}]):
        given = problem(augmentation=setting)
        network = build(given.task.model, given.shape, given.classes).double()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for parameter in network.parameters():
                torch.nn.init.normal_(parameter)
        pool = Pool(round=given, learned=Learned(network), candidates=given.unlabeled)
        outputs.append(pool.probabilities)
    np.testing.assert_array_equal(*outputs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("step", ALL, ids=str)
def test_a_gpu_gives_the_same_bytes(step):
    images, view = pictures(200, 3, 32, 32), Augmentation([step])
    assert torch.equal(view(images.cuda(), draws(200)).cpu(), view(images, draws(200)))


# settings


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("crops", "'crops' is no augmentation; allowed: none, crop, crop_flip, or a list"),
        ([], r"\[\] is no augmentation"),
        (None, "None is no augmentation"),
        (["crops"], "unknown operation 'crops'; did you mean 'crop'?"),
        ([3], "3 is no operation; allowed: a name, or {name: settings}"),
        ([{"crop": 1, "flip": 1}], "is no operation"),
        ([{"crop": {"pad": 3}}], "crop: unknown key 'pad'; .*allowed: padding, mode"),
        ([{"crop": 0}], "crop.padding is 0; allowed: a whole number from 1 to 4096"),
        ([{"rotation": 200}], "rotation.degrees is 200; allowed: a number from 1 to 180"),
        ([{"rotation": "far"}], "rotation.degrees is 'far'"),
        ([{"randaugment": 16}], "randaugment.operations is 16; allowed: a whole number from 1 to"),
        ([{"randaugment": {"magnitude": 31}}], "randaugment.magnitude is 31; allowed: .*30"),
        (
            [{"randaugment": {"magnitude": 10, "variant": "munjal"}}],
            "randaugment.magnitude is 10, but munjal has levels from 0 to 9",
        ),
        (
            [{"randaugment": {"magnitude": 5, "variant": "fixmatch"}}],
            "randaugment.magnitude is 5, but fixmatch draws it; allowed: none",
        ),
        ([{"randaugment": {"variant": "cubic"}}], "did you mean 'cubuk'"),
        ([{"resized_crop": [0.5, 0.1]}], r"area is \[0.5, 0.1\]; allowed: the smaller number f"),
        (["flip"] * 21, "is no augmentation; allowed: .* list of up to 20"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_in_a_line(setting, said):
    with pytest.raises(UserError, match=said) as caught:
        Augmentation(setting)
    assert len(caught.value.faults) == 1 and "\n" not in str(caught.value)


def test_settings_are_complete_and_stay_what_they_are():
    assert [complete(name) for name in ("none", "crop", "crop_flip")] == [
        "none",
        "crop",
        "crop_flip",
    ]
    found = complete(list(OPERATIONS))
    assert [next(iter(step)) for step in found] == list(OPERATIONS)
    assert found[0] == {"crop": {"padding": None, "mode": "zero"}}
    assert complete(found) == found == complete(list(found))
    assert complete([{"rotation": 30}]) == ({"rotation": {"degrees": 30.0}},)


def test_a_crop_without_padding_has_the_tasks():
    images = pictures()
    for setting in ("crop", ["crop"], [{"crop": 2}]):
        found = Augmentation(setting, 2)(images, draws(40))
        assert torch.equal(found, Augmentation("crop", 2)(images, draws(40)))
    assert not torch.equal(found, Augmentation(["crop"], 1)(images, draws(40)))
