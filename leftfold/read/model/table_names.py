"""What the tables of read models may be called, and the suffix of each role."""

from __future__ import annotations

import re
from typing import Any

from leftfold.errors import InvalidArgument
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.fields import MAX_NAME_BYTES

SUFFIX: dict[Role, str] = {"live": "", "shadow": "__next", "former": "__former"}
"""The ending of a table's name in each role."""


_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")


_MAX_TABLE_BYTES = MAX_NAME_BYTES - max(map(len, SUFFIX.values()))


_RESERVED = {
    "checkpoints", "epochs", "event_tags", "events", "inline_set", "migrations", "parked", "partitions", "position",
    "projection_acts", "projections", "snapshots", "workers",
}  # fmt: skip


def _table_name(model: type[Any]) -> str:
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model.__name__).lower()
    name = getattr(model, "__table_name__", None) or snake_case
    check_table_name(name, model.__name__)
    return name


def check_table_name(name: str, owner: str) -> None:
    """`InvalidArgument`, naming the ``owner``, if a table cannot have this name."""
    if not _TABLE_NAME.fullmatch(name) or len(name) > _MAX_TABLE_BYTES:
        raise InvalidArgument(
            f"{owner}: {name!r} is no name for a table: expected a-z, 0-9 and _, at most {_MAX_TABLE_BYTES} "
            'of them; name its table with table="…"'
        )
    taken = tuple(suffix for suffix in SUFFIX.values() if suffix)
    if name in _RESERVED or name.startswith(("leftfold_", "sqlite_", "pg_")) or name.endswith(taken):
        raise InvalidArgument(f'{owner}: the name {name!r} is taken: give its table another with table="…"')
