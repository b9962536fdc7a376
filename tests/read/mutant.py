"""A mutant of the SQL about processors, to show that a judge would notice."""

from __future__ import annotations

from leftfold.database import statements


def without(part: str, instead: str = "") -> None:
    """From here on every statement of a file is run without this part of its text."""
    marked = statements._marked
    statements._marked = lambda text, dialect: marked(text.replace(part, instead), dialect)
