"""docs/data.md says what is: odd files as in a run, data sets as in the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.odd_images import table
from stages.catalogue import DATA_SETS
from stages.study.data import known
from stages.study.settings import Dataset

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "data.md").read_text(encoding="utf-8")
OWN = {"folder", "table", "features"}


def test_the_table_of_odd_files_is_that_of_a_run():
    assert table() in TEXT


def rows() -> dict[str, list[str]]:
    """The cells of the table of published data sets, by name."""
    section = TEXT[TEXT.index("## Published data sets") : TEXT.index("## When a folder changes")]
    cells = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return {name: row for row in cells for name in re.findall(r"`(\w+)`", row[0])}


def test_every_data_set_has_its_row_and_its_name_in_the_settings():
    assert set(rows()) == set(DATA_SETS) - OWN
    line = next(
        line
        for line in (DOCS / "settings.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `dataset.name` |")
    )
    assert set(re.findall(r"`(\w+)`", line)) == set(DATA_SETS)


@pytest.mark.parametrize("name", sorted(set(DATA_SETS) - OWN))
def test_a_row_says_what_the_catalogue_says(name):
    facts = known(Dataset(name=name))
    _, images, pixels, classes, *_ = rows()[name]
    assert "x".join(map(str, facts.shape)) == pixels.strip()
    assert str(facts.classes) in classes
    if facts.rows is not None:
        assert f"{facts.rows:,}" in images


def test_further_rows_are_those_of_the_settings():
    assert known(Dataset(name="gtsrb", training="online")).rows == 26_640
    assert known(Dataset(name="cifar10_imb", draw="exact")).rows == 27_500
    assert known(Dataset(name="waterbirds", validation="train")).rows == 5_994
    assert known(Dataset(name="pneumonia_mnist", validation="leave_out")).rows == 4_708
