"""What the documents say of the code is what the code says."""

from pathlib import Path

from stages import catalogue

ROOT = Path(__file__).parent.parent


def test_strategies_page_shows_the_catalogue() -> None:
    assert catalogue.table() in (ROOT / "docs/strategies.md").read_text()
