"""What our data path is measured against: torchvision data sets, DataLoaders, torch.optim.SGD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import datasets, transforms

from stages.datasets.published import data_root
from stages.datasets.sources import root_of
from stages.study.settings import Dataset as Source
from stages.study.settings import Task


def published(source: Source, mean: list[float], std: list[float]) -> tuple[Dataset, Dataset]:
    """torchvision's training and test set, one image at a time through ToTensor and Normalize."""
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    if source.name == "folder":
        root = Path(source.root)
        return tuple(datasets.ImageFolder(root / part, change) for part in ("train", "test"))
    kind = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10}[source.name]
    root = data_root(root_of(source))
    return tuple(kind(root, train=part, transform=change) for part in (True, False))


def usual_state() -> None:
    """Undo what a study sets for the whole process."""
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    torch.backends.nnpack.set_flags(True)


class Loop:
    """The loop of the tutorials. Workers stay between epochs, and memory is pinned for a GPU."""

    def __init__(self, task: Task, device: torch.device, workers: int) -> None:
        self.task, self.device, self.workers = task, device, workers

    def loader(self, data: Dataset, rows: np.ndarray, train: bool) -> DataLoader:
        """Batches of some rows of a data set."""
        return DataLoader(
            Subset(data, rows.tolist()),
            self.task.batch_size if train else 1000,
            shuffle=train,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self.device.type == "cuda",
        )

    def _forward(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        kind = torch.channels_last if self.task.channels_last else torch.contiguous_format
        images = images.to(self.device, non_blocking=True).to(memory_format=kind)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.task.amp):
            return network(images)

    def fit(self, network: nn.Module, loader: DataLoader, epochs: int) -> None:
        """Train in place."""
        optimizer = torch.optim.SGD(
            network.parameters(),
            self.task.learning_rate,
            self.task.momentum,
            weight_decay=self.task.weight_decay,
            nesterov=self.task.nesterov,
        )
        network.train()
        for _ in range(epochs):
            for images, labels in loader:
                optimizer.zero_grad()
                logits = self._forward(network, images)
                labels = labels.to(self.device, non_blocking=True)
                F.cross_entropy(logits.float(), labels).backward()
                optimizer.step()

    @torch.no_grad()
    def outputs(self, network: nn.Module, loader: DataLoader) -> np.ndarray:
        """Logits, float64, shape (N, C)."""
        network.eval()
        return torch.cat(
            [self._forward(network, images).double().cpu() for images, _ in loader]
        ).numpy()
