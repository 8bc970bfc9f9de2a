"""`python -m stages.catalogue` prints the catalogue in Markdown."""

from __future__ import annotations

from stages.catalogue.listing import page

print(page(), end="")
