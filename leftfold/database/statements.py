"""SQL in files, beside the code that runs it; and statements in a row.

A file holds one statement, in the back end's own words, or several under ``-- name --`` heads with named parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from leftfold.database.protocol import Connection, Dialect, Row, Statement

_HEAD = re.compile(r"^-- (\w+) --\n", re.MULTILINE)
_PARAMETER = re.compile(r"'[^']*'|::\w+|:([a-z_]+)")  # neither inside a literal nor a cast


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """A statement with the dialect's own marks, and the name of the parameter behind each mark."""

    sql: str
    names: tuple[str, ...]

    def bind(self, **values: Any) -> tuple[str, list[Any]]:
        """The SQL and its parameters in order."""
        return self.sql, [values[name] for name in self.names]


def named_statements(package: str, name: str, dialect: Dialect, **words: str) -> Mapping[str, NamedStatement]:
    """The statements of ``name``.sql by the names in their heads; ``:name`` is a parameter.

    ``{word}`` is filled in: one of ``words``, or a statement further up in the file.
    """
    _, *parts = _HEAD.split((files(package) / f"{name}.sql").read_text("utf-8"))
    texts: dict[str, str] = {}
    for head, text in zip(parts[::2], parts[1::2], strict=True):
        texts[head] = text.strip().format(**words, **texts)
    return {head: _marked(text, dialect) for head, text in texts.items()}


def _marked(text: str, dialect: Dialect) -> NamedStatement:
    names: list[str] = []

    def mark(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        names.append(found[1])
        return "?" if dialect == "sqlite" else "%s"

    return NamedStatement(_PARAMETER.sub(mark, text), tuple(names))


@cache
def statement(package: str, name: str, schema: str = "") -> str:
    """The text of ``name``.sql in a package, ``{schema}`` filled in, without the comment that it may begin with."""
    lines = (files(package) / f"{name}.sql").read_text("utf-8").splitlines()
    while lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines).replace("{schema}", schema)


async def execute_each(connection: Connection, statements: Sequence[Statement]) -> list[list[Row]]:
    """Statements in a row, a round trip each."""
    rows: list[list[Row]] = []
    for sql, parameters, many in statements:
        if many:
            await connection.execute_many(sql, parameters)
            rows.append([])
        else:
            rows.append(await connection.execute(sql, parameters))
    return rows
