"""Where a store is: ``sqlite:///file`` with ``?synchronous=``, ``sqlite://`` (memory), or ``postgresql://…`` with
``?schema=`` and ``pool_size=``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from leftfold.errors import InvalidArgument

Synchronous = Literal["full", "normal"]
DEFAULT_SCHEMA = "leftfold"
DEFAULT_POOL_SIZE = 10
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_EXAMPLES = "sqlite:///bank.db, sqlite:// (in memory) or postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    """An SQLite file, or a private database in memory (``path`` is None).

    ``synchronous`` says what an acknowledged append survives. ``"full"``: a power cut, because each commit is flushed.
    ``"normal"``: the end of the process only, because commits are flushed when the WAL is moved into the file.
    """

    path: str | None
    synchronous: Synchronous = "full"

    def __str__(self) -> str:
        options = "" if self.synchronous == "full" else f"?synchronous={self.synchronous}"
        return f"sqlite:///{self.path}{options}" if self.path else "sqlite://"


@dataclass(frozen=True, slots=True)
class PostgresqlUrl:
    """A PostgreSQL database, as libpq takes it, and the schema in it that holds everything of leftfold's."""

    conninfo: str
    schema: str
    pool_size: int

    def __str__(self) -> str:
        parts = urlsplit(self.conninfo)
        where = parts.netloc.rpartition("@")
        user = where[0].partition(":")[0]
        schema = "" if self.schema == DEFAULT_SCHEMA else f"?schema={self.schema}"
        return f"postgresql://{user}{'@' if user else ''}{where[2]}{parts.path}{schema}"


def parse_url(url: str) -> SqliteUrl | PostgresqlUrl:
    """The parts of a store's URL; `InvalidArgument` if it is none. Its str never shows a password."""
    if not isinstance(url, str):
        raise InvalidArgument(f"a store's URL is a str, not {url!r}: expected {_EXAMPLES}")
    scheme, colon, _ = url.partition(":")
    if colon and scheme == "sqlite":
        return _parse_sqlite(url)
    if colon and scheme in ("postgresql", "postgres"):
        return _parse_postgresql(url)
    shown = f"{scheme}:…" if colon else repr(url)
    raise InvalidArgument(f"{shown} is no store's URL: expected {_EXAMPLES}")


def _parse_sqlite(url: str) -> SqliteUrl:
    rest, question, query = url.removeprefix("sqlite:").partition("?")
    if question and rest in ("//", "///:memory:", "//:memory:"):
        raise InvalidArgument(f"{url!r}: a database in memory has no options, found {query!r}")
    if rest in ("//", "///:memory:", "//:memory:"):
        return SqliteUrl(None)
    if not rest.startswith("///") or len(rest) == 3:
        raise InvalidArgument(
            f"{url!r}: an SQLite file takes three slashes (sqlite:///bank.db is beside you, sqlite:////var/bank.db is "
            "absolute), and sqlite:// alone is a database in memory"
        )
    path = unquote(rest[3:])
    match query if question else "synchronous=full":
        case "synchronous=full":
            return SqliteUrl(path)
        case "synchronous=normal":
            return SqliteUrl(path, "normal")
    raise InvalidArgument(
        f"{url!r}: an SQLite URL has one option, synchronous=full (every commit is flushed, the default) or "
        f"synchronous=normal (a power cut may take the latest commits), found {query!r}"
    )


def _parse_postgresql(url: str) -> PostgresqlUrl:
    if not url.partition(":")[2].startswith("//") or "#" in url:
        raise InvalidArgument(
            f"a PostgreSQL URL begins with postgresql:// and has no # (write %23): expected {_EXAMPLES}"
        )
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)  # to libpq a + is a +
    except ValueError as error:
        raise InvalidArgument(f"the PostgreSQL URL cannot be read: {error}") from None
    schemas = [value for name, value in options if name == "schema"] or [DEFAULT_SCHEMA]
    if not _SCHEMA.fullmatch(schemas[-1]) or schemas[-1].startswith("pg_"):
        raise InvalidArgument(
            f"{schemas[-1]!r} is no schema name: expected lower case letters, digits and _, at most 63, not pg_…"
        )
    sizes = [value for name, value in options if name == "pool_size"] or [str(DEFAULT_POOL_SIZE)]
    if not sizes[-1].isdecimal() or not 1 <= int(sizes[-1]) <= 1000:
        raise InvalidArgument(f"pool_size is a number of connections from 1 to 1000, not {sizes[-1]!r}")
    rest = [(name, value) for name, value in options if name not in ("schema", "pool_size")]
    query = urlencode(rest, quote_via=quote, safe="/")
    conninfo = f"postgresql://{parts.netloc}{parts.path}{'?' if query else ''}{query}"
    return PostgresqlUrl(conninfo, schemas[-1], int(sizes[-1]))
