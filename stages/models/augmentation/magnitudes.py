"""Levels of RandAugment's magnitudes; read with the settings, so without torch."""

from __future__ import annotations

LEVELS = {"cubuk": 30, "munjal": 9, "fixmatch": 30}  # the highest of each variant
USUAL = {"cubuk": 9, "munjal": 5}  # as in the paper's and the code's examples
