"""Files of published data sets: right arrays, and one clear line for every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from folders import one_line

from stages.datasets.sources import load, root_of
from stages.datasets.torchvision_sets import DIGESTS, data_root
from stages.machine.errors import UserError
from stages.study.settings import Dataset


def write_idx(root: Path, rows: int = 30) -> Path:
    """Files of MNIST's format with random content."""
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (rows, 28, 28)).astype(np.uint8)
        labels = rng.integers(0, 10, rows).astype(np.uint8)
        for name, kind, array in (("images-idx3", 3, images), ("labels-idx1", 1, labels)):
            header = (0x0800 + kind).to_bytes(4, "big")
            header += b"".join(side.to_bytes(4, "big") for side in array.shape)
            (raw / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
            with gzip.open(raw / f"{part}-{name}-ubyte.gz", "wb") as stream:
                stream.write(header + array.tobytes())
    return raw


def mnist(root: Path, download: bool = False) -> Dataset:
    return Dataset(name="mnist", root=str(root), download=download)


def test_files_that_were_not_published_are_refused(tmp_path):
    write_idx(tmp_path)
    with pytest.raises(UserError, match="the files of mnist are not the published ones") as raised:
        load(mnist(tmp_path))
    assert DIGESTS["mnist"][:12] in one_line(raised)


def test_idx_files_are_read(tmp_path, monkeypatch):
    raw = write_idx(tmp_path)
    monkeypatch.setattr("stages.datasets.torchvision_sets.DIGESTS", {})
    images = load(mnist(tmp_path))
    assert images.train_images.shape == images.test_images.shape == (30, 1, 28, 28)
    pixels = np.frombuffer((raw / "t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    labels = np.frombuffer((raw / "t10k-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    assert (images.test_images.reshape(-1) == pixels).all()
    assert (images.test_labels == labels).all() and images.test_labels.dtype == np.int64
    assert len(images.classes) == 10 and images.name == "mnist"


def test_missing_files_without_download_are_one_line(tmp_path):
    with pytest.raises(
        UserError,
        match=r"MNIST/raw/train-images-idx3-ubyte: missing and dataset.download is false; "
        r"the files of mnist are expected in .* as MNIST/raw",
    ) as raised:
        load(mnist(tmp_path))
    one_line(raised)


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("damage", ["truncated", "header", "kind", "empty", "long", "bomb", "text"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_are_one_line(tmp_path, damage, file, download):
    path = write_idx(tmp_path) / file
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[:-5],
            "header": b"\xff" * 4 + whole[4:],
            "empty": b"",
            "kind": whole[:3] + bytes([4 - whole[3]]) + whole[4:],
            "long": whole + b"more",
            "bomb": whole[:4] + b"\x7f\xff\xff\xff" + whole[8:],
            "text": b"<html>404</html>\n" * 9,
        }[damage]
    )
    with pytest.raises(UserError, match="the files of mnist are damaged") as raised:
        load(mnist(tmp_path, download))
    one_line(raised)


def test_images_and_labels_have_to_fit(tmp_path):
    raw = write_idx(tmp_path)
    whole = (raw / "train-labels-idx1-ubyte").read_bytes()
    shorter = whole[:4] + (29).to_bytes(4, "big") + whole[8:-1]
    (raw / "train-labels-idx1-ubyte").write_bytes(shorter)
    with pytest.raises(UserError, match=r"damaged \(images uint8 of shape \(30, 1, 28, 28\)"):
        load(mnist(tmp_path))


def test_a_pipe_is_one_line_and_no_hang(tmp_path):
    path = write_idx(tmp_path) / "t10k-labels-idx1-ubyte"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte: not a regular file"):
        load(mnist(tmp_path))


def test_a_file_that_cannot_be_read_is_not_called_missing(tmp_path, monkeypatch):
    write_idx(tmp_path)
    opened = open

    def denied(path, *rest, **options):
        if str(path).endswith("t10k-images-idx3-ubyte"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **options)

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(UserError, match=r"t10k-images.*: cannot be read \(Permission denied\)"):
        load(mnist(tmp_path))


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("Error downloading x:\nTried mirror, got:\nno route\n")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fails)
    with pytest.raises(UserError, match="mnist: not under .* and the download failed") as raised:
        load(mnist(tmp_path, download=True))
    one_line(raised)


# cifar10


def write_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, list[int]]:
    """Batches of CIFAR-10's format with random content, taken for the published ones."""
    from torchvision.datasets import CIFAR10

    folder, rng = root / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir(parents=True)

    def write(name: str, content: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    pixels = rng.integers(0, 256, (24, 3072)).astype(np.uint8)
    labels = rng.integers(0, 10, 24).tolist()
    batches = [
        write(name, {"data": pixels[4 * at : 4 * at + 4], "labels": labels[4 * at : 4 * at + 4]})
        for at, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"])
    ]
    name, digest = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "train_list", batches[:5])
    monkeypatch.setattr(CIFAR10, "test_list", batches[5:])
    meta = {"filename": name, "key": "label_names", "md5": digest}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return pixels, labels


def cifar10(root: Path, download: bool = False) -> Dataset:
    return Dataset(name="cifar10", root=str(root), download=download)


def test_batches_of_cifar10_are_read(tmp_path, monkeypatch):
    pixels, labels = write_batches(tmp_path, monkeypatch)
    images = load(cifar10(tmp_path))
    both = np.concatenate([images.train_images, images.test_images])
    assert (both.reshape(24, -1) == pixels).all() and both.shape == (24, 3, 32, 32)
    assert [*images.train_labels, *images.test_labels] == labels
    assert images.classes[0] == "airplane" and images.train_labels.dtype == np.int64


def test_a_batch_is_checked_before_it_is_unpickled(tmp_path, monkeypatch):
    """A pickle can run a program; torchvision's MD5 of the authors' file comes first."""
    write_batches(tmp_path, monkeypatch)

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    for name in ("data_batch_3", "test_batch", "batches.meta"):
        path = tmp_path / "cifar-10-batches-py" / name
        whole = path.read_bytes()
        for content in (pickle.dumps(Trap()), whole[:-9], b"", whole + b"x"):
            path.write_bytes(content)
            with pytest.raises(UserError, match="the files of cifar10 are damaged") as raised:
                load(cifar10(tmp_path))
            one_line(raised)
        path.write_bytes(whole)
    assert not (tmp_path / "trapped").exists()


def test_missing_batches_of_cifar_are_one_line(tmp_path):
    with pytest.raises(UserError, match="expected in .* as cifar-10-batches-py/"):
        load(cifar10(tmp_path))


# where they lie


def test_where_files_are_looked_for(monkeypatch):
    monkeypatch.delenv("ALEDGER_DATA", raising=False)
    assert data_root(root_of(Dataset(name="mnist"))) == Path("~/.cache/aledger").expanduser()
    monkeypatch.setenv("ALEDGER_DATA", "/data/sets")
    assert data_root(root_of(Dataset(name="mnist"))) == Path("/data/sets")
    assert data_root(root_of(Dataset(name="mnist", root="mine"))) == Path("mine")
