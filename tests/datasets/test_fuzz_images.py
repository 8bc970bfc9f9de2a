"""The fuzzer of images, a small run; benchmarks/fuzz_images.py has the large one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.fuzz_images import cases, run_case
from benchmarks.hostile_images import CASES, FOLDERS, Case, file_case
from benchmarks.image_files import png

LIMIT = 30  # seconds a case: against a hang, not for speed


@pytest.mark.slow
def test_hostile_images_are_read_by_the_rules_or_refused(tmp_path):
    found = Counter()
    for number, (group, case) in enumerate(cases(len(FOLDERS) + 12 * len(CASES), seed=11)):
        (place := tmp_path / str(number)).mkdir()
        outcome = run_case(case, place, LIMIT)
        assert outcome.kind in ("read", "refused"), f"{group}: {outcome}"
        found[outcome.kind] += 1
    assert min(found.values()) > 30


def test_the_fuzzer_sees_wrong_pixels_and_wrong_messages(tmp_path):
    samples = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    rng = np.random.default_rng(1)

    def run(name: str, case: Case) -> str:
        (tmp_path / name).mkdir()
        return run_case(case, tmp_path / name, LIMIT).kind

    content = png(samples, 2, 8)
    assert run("right", file_case(rng, "", ".png", content, samples)) == "read"
    assert run("off by one", file_case(rng, "", ".png", content, samples ^ 1)) == "WRONG"
    assert run("must refuse", file_case(rng, "", ".png", content, None)) == "WRONG"
    assert run("damaged", file_case(rng, "", ".png", content[:60], None)) == "refused"
    assert run("not named", Case("", lambda root: None, blamed="y", must="refuse")) == "WRONG"
