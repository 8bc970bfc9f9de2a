"""`python -m stages.catalogue` prints the catalogue in Markdown."""

from stages.catalogue.listing import page

print(page(), end="")
