"""What the documents say of the code is what the code says."""

from __future__ import annotations

from pathlib import Path

from stages.catalogue import STRATEGIES, Strategy, listing

ROOT = Path(__file__).parents[2]


def test_strategies_page_shows_the_catalogue() -> None:
    page = (ROOT / "docs/strategies.md").read_text()
    assert listing.overview() in page and listing.entries() in page


def test_every_strategy_has_an_entry_with_formula_paper_and_code() -> None:
    for name, entry in STRATEGIES.items():
        assert entry.formula.strip() and "`" not in entry.formula and "|" not in name
        text = listing.entries().partition(f'<a id="{name}">')[2].partition("\n- <a id=")[0]
        for part in (entry.formula, entry.source, entry.learner, entry.scorer, entry.selector):
            assert part in text
        row = next(
            row for row in listing.overview().splitlines() if row.startswith(f"| [`{name}`]")
        )
        assert entry.family in row and entry.cost in row
        assert all(f"{key}: {value}" in row for key, value in entry.settings.items())


def test_the_strategy_of_ones_own_on_the_page_is_one() -> None:
    page = (ROOT / "docs/strategies.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    module: dict[str, object] = {}
    exec(code, module)
    assert isinstance(module["my_strategy"], Strategy)
