"""The live rows and those of a rebuild, compared as of the same moment, while both go on.

Rows and checkpoints of both are read in one snapshot. Where the checkpoints differ, some events are applied on one
side only: the keys that they concern are left out, and counted. So every difference that is reported comes from the
code or from the rows, and never from time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from leftfold.database.protocol import Connection, Database, Row
from leftfold.errors import InvalidState, NotSupported
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.log.contract import Log
from leftfold.log.page_size import PageSize
from leftfold.read.model.definition import Definition, definition_of
from leftfold.read.model.model import ReadModel, ReadModelMeta
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.comparison import Comparison, compare_rows
from leftfold.read.tables.compiler import CompiledStatement
from leftfold.read.tables.scan import in_key_order
from leftfold.read.tables.tables import table_in

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_BETWEEN = 100_000
_AHEAD = 1_000
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class RebuildComparison:
    """What a rebuild has changed: ``rows`` of the live generation before, of the new one after.

    ``left_out`` keys were not compared, because events that concern them were applied on one side only at that moment.
    Compared are the fields that both have; ``dropped`` are fields that only the live rows have, ``added`` only the new.
    """

    rows: Comparison[Any]
    left_out: int
    dropped: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([str(self.rows), *self._more()])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        return Group(self.rows, *map(Text, self._more()))

    def _more(self) -> list[str]:
        lines = [f"fields that only the live rows have: {', '.join(self.dropped)}"] if self.dropped else []
        lines += [f"fields that only the new rows have: {', '.join(self.added)}"] if self.added else []
        keys = "1 key is" if self.left_out == 1 else f"{self.left_out:,} keys are"
        lines += [f"{keys} left out: events that concern them are on their way"] if self.left_out else []
        return lines


class SideBySide:
    """A projection's live and shadow generation in one database."""

    def __init__(self, log: Log, database: Database, projection: Projection[Any]) -> None:
        self._log = log
        self._database = database
        self._projection = projection
        self._partitions = Partitions(database, outside=database is not log.database)

    async def compare(self, live: Generation, shadow: Generation, sample: int) -> RebuildComparison:
        """`NotSupported`: they stand too far apart. `InvalidState`: a swap or an act came in between."""
        async with self._database.connection() as connection:
            existing = await table_in(self._database, self._projection.definition).existing(connection)
        expected = table_in(self._database, self._projection.definition, "shadow").expected()
        same = [name for name in expected if expected[name] == existing.get(name)]
        shared = _with_only(self._projection.definition, same)
        for attempt in range(_ATTEMPTS):
            first, last = _span(await self._partitions_of(live, shadow))
            if attempt:  # workers move on meanwhile, so look further ahead than where they are
                last = min(last + _AHEAD, await self._log.head())
            left_out = await self._keys_between(first, last)  # before the snapshot: in memory there is one connection
            rows = await self._compare_at_once(live, shadow, shared, left_out, last, sample)
            if rows is not None:
                dropped, added = (tuple(name for name in names if name not in same) for names in (existing, expected))
                return RebuildComparison(rows, len(left_out), dropped, added)
        raise _changed(live)

    async def _compare_at_once(
        self,
        live: Generation,
        shadow: Generation,
        shared: Definition,
        left_out: Set[Any],
        last: int,
        sample: int,
    ) -> Comparison[Any] | None:
        """Compare the rows in one snapshot; None if a worker has gone beyond ``last``, so that keys may be missing."""
        # A snapshot holds rows, and not the names of tables. Say a swap renames the shadow's table after the snapshot
        # has begun: the query for "balance" then reads what was the shadow, and finds no difference. So look again
        # behind the comparison, and behind any error, whether both generations still are what they were.
        try:
            async with snapshot(self._database) as connection:
                if _span(await self._partitions_of(live, shadow, connection))[1] > last:
                    return None
                before, after = (self._rows(connection, shared, role, left_out) for role in _SIDES)
                rows = await compare_rows(before, after, shared, sample)
        except Exception:
            await self._partitions_of(live, shadow)
            raise
        await self._partitions_of(live, shadow)
        return rows

    async def _partitions_of(
        self, live: Generation, shadow: Generation, connection: Connection | None = None
    ) -> list[Partition]:
        """Those of both generations; `InvalidState` if one has another role by now."""
        if connection is None:
            async with self._database.connection() as own:
                return await self._partitions_of(live, shadow, own)
        found = []
        for generation in (live, shadow):
            partitions = await self._partitions.load(connection, generation.name, generation.number)
            if not partitions or (partitions[0].role, partitions[0].begun_at) != (generation.role, generation.begun_at):
                raise _changed(live)
            found += partitions
        return found

    async def _rows(
        self, connection: Connection, shared: Definition, role: Role, left_out: Set[Any]
    ) -> AsyncIterator[Any]:
        async def run(statement: CompiledStatement, /, **values: Any) -> list[Row]:
            return await connection.execute(*statement.bind(**values))

        async for row in in_key_order(run, self._database, shared, role):
            if shared.key_of(row) not in left_out:
                yield row

    async def _keys_between(self, first: int, last: int) -> set[Any]:
        """The keys that events between these positions concern."""
        query = self._projection.query(self._log.registry)
        if await self._log.count(query, first, last, _MOST_BETWEEN + 1) > _MOST_BETWEEN:
            raise NotSupported(
                f"the live rows of projection {self._projection.name!r} and the new ones stand too far apart to be "
                f"compared, at positions from {first:,} to {last:,}: let the workers of those that are behind catch up"
            )
        keys: set[Any] = set()
        async for page in self._log.read_settled(query, first, last, PageSize()):
            for recorded in page:
                keys.update(self._projection.keys_of(recorded))
        return keys


_SIDES: tuple[Role, Role] = ("live", "shadow")


def _span(partitions: Sequence[Partition]) -> tuple[int, int]:
    """The least and the greatest position."""
    positions = [partition.position for partition in partitions]
    return min(positions), max(positions)


def _changed(live: Generation) -> InvalidState:
    return InvalidState(f"projection {live.name!r} was changed while its rows were compared: do it again")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection that sees one moment, for reading."""
    begin = "BEGIN" if database.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    async with database.connection() as connection:
        await connection.execute(begin)
        try:
            yield connection
        finally:
            await connection.execute("ROLLBACK")


def _with_only(definition: Definition, names: Sequence[str]) -> Definition:
    """The same read model with only these fields."""
    if len(names) == len(definition.fields):
        return definition
    if missing := [definition.fields[at].name for at in definition.key if definition.fields[at].name not in names]:
        raise NotSupported(
            f"the rows cannot be compared: the live ones have another key ({', '.join(missing)} is not the same)"
        )
    # Rows are loaded into instances of their model, so a comparison of fewer columns needs a model with fewer fields.
    # It is made here as a class statement would make it, and defined without the cache, which would keep it for ever.
    hints = get_type_hints(definition.model, include_extras=True)
    members = {"__annotations__": {name: hints[name] for name in names}, "__module__": definition.model.__module__}
    model = ReadModelMeta(definition.model.__name__, (ReadModel,), members, table=definition.name)
    return definition_of.__wrapped__(model)
