"""Some hundred of the hostile settings of benchmarks/fuzz_settings.py; it would notice, too."""

from __future__ import annotations

import random
import shutil

import pytest

from benchmarks import fuzz_settings
from stages.study import settings


def test_hostile_settings_end_in_settings_or_in_lines(tmp_path):
    rng, kinds = random.Random(8), {"valid": 0, "faults": 0}
    for _ in range(400):
        content = fuzz_settings.hostile(rng)
        kind, said = fuzz_settings.read(content, tmp_path)
        assert kind != "WRONG", (said, content)
        kinds[kind] += 1
    assert kinds["valid"] > 20 and kinds["faults"] > 200


@pytest.mark.parametrize("stage", fuzz_settings.STAGES)
def test_hostile_settings_end_every_command_line_in_lines(stage, prepared_study, tmp_path):
    root, rng = tmp_path / "study", random.Random(9)
    shutil.copytree(prepared_study, root)
    for _ in range(15):
        content = fuzz_settings.hostile(rng)
        kind, said = fuzz_settings.command(content, root, stage, apart=False)
        assert kind != "WRONG", (said, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tuned": ["bald"]}, "accepted: is refused when written anew"),
        ({"seeds": []}, "accepted: is refused when written anew"),
        ({"threads": 10**6}, "accepted: is refused when written anew"),
    ],
)
def test_the_fuzzer_sees_what_should_not_be_accepted(change, said, tmp_path, monkeypatch):
    raw = fuzz_settings.base()
    study = settings.Settings.model_construct(
        **{**dict(settings.Settings.model_validate(raw)), **change}
    )
    real = settings.load
    monkeypatch.setattr(
        settings, "load", lambda path: study if path.name == "params.yaml" else real(path)
    )
    kind, why = fuzz_settings.read(b"", tmp_path)
    assert kind == "WRONG" and why.startswith(said)


def test_the_fuzzer_sees_tracebacks_and_hangs(tmp_path, monkeypatch):
    def hang(path):
        while True:
            pass

    monkeypatch.setattr(fuzz_settings, "LIMIT", 0.05)
    monkeypatch.setattr(settings, "load", hang)
    assert fuzz_settings.read(b"", tmp_path)[1].startswith("TimeoutError")
    monkeypatch.setattr(settings, "load", lambda path: 1 / 0)
    assert fuzz_settings.read(b"", tmp_path)[1].startswith("ZeroDivisionError")
