"""`python -m stages.catalogue` prints the catalogue as a Markdown table."""

from stages.catalogue import table

print(table(), end="")
