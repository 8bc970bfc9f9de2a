"""RandAugment of batches of images against torchvision's, in images a second.

Ours draws operations for each image of a batch alone. torchvision's v2 draws once for what it is
given: (A) for each image, in a loop over tensors; (B) for each image as PIL's; (C) once for the
whole batch, which is another augmentation. One pass of each without a clock, then ``--repeats``, in
alternation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.common import alternate, machine, ratio, show, stopwatch
from stages.models.augmentation import Augmentation, Draws


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.augmentation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--root", type=Path, help="folder of images (searched whole); default: noise")
    add("--images", type=int, default=1000)
    add("--side", type=int, default=32, help="of the noise, pixels")
    add("--batch", type=int, nargs="+", default=[1000, 128])
    add("--operations", type=int, default=2)
    add("--magnitude", type=int, default=9)
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=7)
    add("--cpu-time", action="store_true", help="of the process, where a machine is not idle")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = read(options.root, options.images, options.side).to(options.device)
    print(f"{machine()}; {options.threads} threads; {tuple(images.shape)} on {options.device}\n")
    ways = {f"ours, batches of {size}": ours(images, options, size) for size in options.batch}
    ways |= theirs(images, options)
    alternate(ways, 1)
    found = alternate(ways, options.repeats)
    first = next(iter(found))
    show(
        ["", "images/s", "over the first (median of neighbours)"],
        [
            [name, f"{len(images) / median(times):,.0f}", f"{ratio(times, found[first]):.2f}"]
            for name, times in found.items()
        ],
    )


def read(root: Path | None, count: int, side: int) -> Tensor:
    """uint8 images (B, 3, H, W), all of one size."""
    if root is None:
        noise = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8)
        return torch.from_numpy(noise)
    from PIL import Image

    paths = sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".png"))
    chosen = np.random.default_rng(0).choice(len(paths), count, replace=False)
    pixels = [np.asarray(Image.open(paths[at]).convert("RGB")) for at in chosen]
    return torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy())


def clocked(
    images: Tensor, options: argparse.Namespace, way: Callable[[], object]
) -> Callable[[], float]:
    """Seconds that ``way`` takes, with all that the device has to do for it."""

    def once() -> float:
        start = time.process_time()
        with stopwatch() as seconds:
            way()
            if images.is_cuda:
                torch.cuda.synchronize()
        return time.process_time() - start if options.cpu_time else seconds()

    return once


def ours(images: Tensor, options: argparse.Namespace, size: int) -> Callable[[], float]:
    given = {"operations": options.operations, "magnitude": options.magnitude}
    view, key = Augmentation([{"randaugment": given}]), np.random.SeedSequence(0)

    def way() -> None:
        for start in range(0, len(images), size):
            part = images[start : start + size]
            view(part, Draws.of(key, start + np.arange(len(part))))

    return clocked(images, options, way)


def theirs(images: Tensor, options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    view = v2.RandAugment(options.operations, options.magnitude)
    found = {
        "torchvision v2, each tensor": clocked(
            images, options, lambda: [view(one) for one in images]
        )
    }
    if not images.is_cuda:
        pictures = [v2.functional.to_pil_image(one) for one in images]

        def as_pil() -> None:
            torch.stack([v2.functional.pil_to_tensor(view(one)) for one in pictures])

        found["torchvision v2, each PIL image, to tensors"] = clocked(images, options, as_pil)
    return found | {
        "torchvision v2, one draw a batch": clocked(images, options, lambda: view(images))
    }


if __name__ == "__main__":
    main()
