"""Where images come from. After ``prepare`` they are plain arrays and nobody asks again."""

from stages.datasets.images import Images
from stages.datasets.prepared import Prepared
from stages.datasets.sources import load

__all__ = ["Images", "Prepared", "load"]
