"""The catalog: tables found, renamed and dropped by name, including tables whose code is gone."""

from __future__ import annotations

from collections.abc import Iterable

from leftfold.database.protocol import Connection, Database
from leftfold.database.statements import statement
from leftfold.errors import NotSupported


def named(database: Database, name: str) -> str:
    """The table's quoted name, with its schema."""
    return f'{database.schema}."{name}"' if database.schema else f'"{name}"'


async def table_exists(connection: Connection, database: Database, name: str) -> bool:
    """Whether there is a table of that name."""
    if database.dialect == "sqlite":
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return bool(await connection.execute(sql, (name,)))
    [(found,)] = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (named(database, name),))
    return bool(found)


async def name_is_free(connection: Connection, database: Database, name: str) -> bool:
    """Whether an index may have this name: indexes share one space of names with tables."""
    if database.dialect == "sqlite":
        return not await connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,))
    [(free,)] = await connection.execute("SELECT to_regclass(%s) IS NULL", (named(database, name),))
    return bool(free)


async def rename_table(connection: Connection, database: Database, old: str, new: str) -> None:
    """Rename a table. In SQLite, a user's view on it keeps the old name, as the view's text says it."""
    if database.dialect == "postgresql":
        await connection.execute(f'ALTER TABLE {named(database, old)} RENAME TO "{new}"')
        return
    await connection.execute("PRAGMA legacy_alter_table = ON")
    try:
        await connection.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')
    finally:
        await connection.execute("PRAGMA legacy_alter_table = OFF")


async def drop_table(connection: Connection, database: Database, name: str) -> None:
    """Drop a table with its rows, if it exists. `NotSupported` names the objects that depend on it."""
    try:
        await connection.execute(f"DROP TABLE IF EXISTS {named(database, name)}")
    except Exception as error:
        if getattr(error, "sqlstate", None) != "2BP01":
            raise
        reason = " ".join(str(error).split())
        raise NotSupported(f"the table {name} cannot be dropped before what depends on it is: {reason}") from error


async def lock_tables(connection: Connection, database: Database, names: Iterable[str]) -> None:
    """Lock the existing tables, in this order, against reads and writes until the transaction ends."""
    for name in names:
        if database.dialect == "postgresql" and await table_exists(connection, database, name):
            await connection.execute(f"LOCK TABLE {named(database, name)} IN ACCESS EXCLUSIVE MODE")


async def existing_columns(
    connection: Connection, database: Database, plain_name: str, name: str
) -> list[tuple[str, str, bool, int]]:
    """Name, declared type, NOT NULL and place in the key of each column of a table; none if there is none."""
    if database.dialect == "sqlite":
        sql, given = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', plain_name
    else:
        sql, given = statement("leftfold.read.tables", "columns"), name
    rows = await connection.execute(sql, (given,))
    return [(column, kind, bool(required), place) for column, kind, required, place in rows]
