"""SQL in files: one statement each, beside the code that runs it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(package: str, name: str, schema: str = "") -> str:
    """The text of ``name``.sql in a package, ``{schema}`` filled in, without the comment that it may begin with."""
    lines = (files(package) / f"{name}.sql").read_text("utf-8").splitlines()
    while lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines).replace("{schema}", schema)
