"""Small data sets in the form that the published ones come in; each gives what it wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def picture(path: Path, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) or (H, W) as a file of the ending's format; gives it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return image


def svhn(root: Path, split: str, images: np.ndarray, labels: list[int]) -> Path:
    """(N, H, W, 3) as a .mat file: images last, digit 0 as label 10."""
    path = root / f"{split}_32x32.mat"
    marks = np.array([10 if label == 0 else label for label in labels], np.uint8)[:, None]
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": marks})
    return path


def idx(array: np.ndarray) -> bytes:
    """An IDX file: magic number, sizes, bytes."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def emnist(split: str, parts: dict[str, tuple[np.ndarray, list[int]]]) -> dict[str, bytes]:
    """Upright images (N, 28, 28) as EMNIST's files have them: each transposed."""
    files = {}
    for part, (images, labels) in parts.items():
        lying = np.ascontiguousarray(images.transpose(0, 2, 1))
        files[f"emnist-{split}-{part}-images-idx3-ubyte"] = idx(lying)
        files[f"emnist-{split}-{part}-labels-idx1-ubyte"] = idx(np.array(labels, np.uint8))
    return files


def emnist_zip(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
    return path


def cifar100(root: Path, monkeypatch, train: list[int], test: list[int]) -> np.ndarray:
    """Pickles of CIFAR-100's form, taken for the published ones; all images, (N, 3072)."""
    from torchvision.datasets import CIFAR100

    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    images = pixels(len(train) + len(test), 3072)
    for name, content in {
        "train": {"data": images[: len(train)], "fine_labels": train},
        "test": {"data": images[len(train) :], "fine_labels": test},
        "meta": {"fine_label_names": [f"class {at}" for at in range(100)]},
    }.items():
        (folder / name).write_bytes(pickle.dumps(content))
    for key, name in (("train_list", "train"), ("test_list", "test")):
        monkeypatch.setattr(CIFAR100, key, [[name, md5(folder / name)]])
    meta = {"filename": "meta", "key": "fine_label_names", "md5": md5(folder / "meta")}
    monkeypatch.setattr(CIFAR100, "meta", meta)
    return images


def cifar10(root: Path, monkeypatch, train: list[int], test: list[int]) -> np.ndarray:
    """The same of CIFAR-10, all training images in five batches."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images = pixels(len(train) + len(test), 3072)

    def write(name: str, content: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, md5(folder / name)]

    cuts = np.array_split(np.arange(len(train)), 5)
    batches = [
        write(f"data_batch_{at}", {"data": images[cut], "labels": [train[row] for row in cut]})
        for at, cut in enumerate(cuts, 1)
    ]
    monkeypatch.setattr(CIFAR10, "train_list", batches)
    last = write("test_batch", {"data": images[len(train) :], "labels": test})
    monkeypatch.setattr(CIFAR10, "test_list", [last])
    name, digest = write("batches.meta", {"label_names": list("abcdefghij")})
    meta = {"filename": name, "key": "label_names", "md5": digest}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return images


def gtsrb(root: Path, training: str, test: list[int]) -> None:
    """Two ppm images of each of 43 classes with a CSV each, and a test set with its CSV."""
    base = root / "gtsrb/GTSRB"
    folder = base / {"final": "Final_Training/Images", "online": "Training"}[training]
    for label in range(43):
        for at in range(2):
            shade = np.full((6, 8, 3), 5 * label + at, np.uint8)
            picture(folder / f"{label:05d}/00000_{at:05d}.ppm", shade)
        (folder / f"{label:05d}/GT-{label:05d}.csv").write_text("Filename;ClassId\n")
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for at, label in enumerate(test):
        picture(base / f"Final_Test/Images/{at:05d}.ppm", np.full((9, 5, 3), label, np.uint8))
        lines.append(f"{at:05d}.ppm;5;9;1;1;4;8;{label}")
    (root / "gtsrb/GT-final_test.csv").write_bytes("\r\n".join([*lines, ""]).encode())


def tiny_imagenet(root: Path, names: list[str]) -> None:
    """Three training and one validation image of each class."""
    folder = root / "tiny-imagenet-200"
    lines = []
    for at, name in enumerate(names):
        for number in range(3):
            shade = np.full((64, 64, 3), 40 * at + number, np.uint8)
            picture(folder / f"train/{name}/images/{name}_{number}.JPEG", shade)
        (folder / f"train/{name}/{name}_boxes.txt").write_text("x\t0\t0\t1\t1\n")
    for at in reversed(range(len(names))):
        picture(folder / f"val/images/val_{at}.JPEG", np.full((64, 64, 3), 40 * at + 9, np.uint8))
        lines.append(f"val_{at}.JPEG\t{names[at]}\t0\t32\t44\t62\n")
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    picture(folder / "test/images/test_0.JPEG", np.zeros((64, 64, 3), np.uint8))


def breakhis(root: Path, patients: dict[str, list[str]], images: int = 3) -> int:
    """``patients``: kind (M_DC, B_A) -> slides; each at two magnifications. Gives their number."""
    top = root / "BreaKHis_v1/histology_slides/breast"
    count = 0
    for kind, slides in patients.items():
        side = {"M": "malignant", "B": "benign"}[kind[0]]
        for slide in slides:
            for zoom in ("40", "200"):
                for number in range(images):
                    name = f"SOB_{kind}-{slide}-{zoom}-{number:03d}"
                    place = top / f"{side}/SOB/x/SOB_{kind}_{slide}/{zoom}X/{name}.png"
                    picture(place, np.full((23, 35, 3), count % 256, np.uint8))
                    count += 1
    (top / "README.txt").write_text("BreakHis")
    return count


def waterbirds(root: Path, rows: list[tuple[int, int, int]]) -> Path:
    """(y, place, split) of each image."""
    folder = root / "waterbird_complete95_forest2water2"
    lines = ["img_id,img_filename,y,split,place,place_filename"]
    for at, (label, place, split) in enumerate(rows):
        name = f"{label:03d}.Bird/{at}.jpg"
        picture(folder / name, np.full((10, 12, 3), at, np.uint8))
        lines.append(f"{at},{name},{label},{split},{place},/x/{at}.jpg")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def npz(path: Path, parts: dict[str, tuple[np.ndarray, list[int]]]) -> Path:
    """MedMNIST's form: ``<part>_images`` (N, S, S), ``<part>_labels`` (N, 1)."""
    held = {}
    for part, (images, labels) in parts.items():
        held |= {f"{part}_images": images, f"{part}_labels": np.array(labels, np.uint8)[:, None]}
    stream = io.BytesIO()
    np.savez_compressed(stream, **held)
    path.write_bytes(stream.getvalue())
    return path
