"""SQL in files, one statement each, beside the code that runs it; and statements in a row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from leftfold.database.protocol import Connection, Row, Statement


@cache
def statement(package: str, name: str, schema: str = "") -> str:
    """The text of ``name``.sql in a package, ``{schema}`` filled in, without the comment that it may begin with."""
    lines = (files(package) / f"{name}.sql").read_text("utf-8").splitlines()
    while lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines).replace("{schema}", schema)


async def execute_each(connection: Connection, statements: Sequence[Statement]) -> list[list[Row]]:
    """One round trip after the other."""
    rows: list[list[Row]] = []
    for sql, parameters, many in statements:
        if many:
            await connection.execute_many(sql, parameters)
            rows.append([])
        else:
            rows.append(await connection.execute(sql, parameters))
    return rows
