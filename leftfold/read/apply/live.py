"""The live rows of a projection: whether tables and checkpoints fit today's code, and how they begin anew."""

from __future__ import annotations

import logging
from functools import cached_property

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidState, ProcessorOutdated
from leftfold.follow.checkpoints.audit import AuditLog
from leftfold.follow.checkpoints.generation import Blueprint, Generation, Mode, Paused, Role
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.processor import Owns, PageHandler
from leftfold.log.contract import Log
from leftfold.read.apply.maintainers import maintainer_of, tables_of
from leftfold.read.apply.removal import GenerationRemoval
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.tables.table import ModelTable

logger = logging.getLogger("leftfold")


class LiveRows:
    """A projection in one database, as an `Installation`; every change is one transaction."""

    def __init__(self, log: Log, database: Database, projection: AnyProjection, cached_rows: int = 0) -> None:
        self.processor = projection
        self.generations = Generations(database)
        self.partitions = Partitions(database, outside=database is not log.database)
        self._log = log
        self._database = database
        self._cached_rows = cached_rows
        self._tables = tables_of(projection, database, "live")
        self._removal = GenerationRemoval(database)
        self._audit = AuditLog(database)
        self._judged: Generation | None = None

    @cached_property
    def blueprint(self) -> Blueprint:
        """What the code says of its rows."""
        return self.processor.blueprint(self._log.registry)

    def fits(self, generation: Generation) -> bool:
        """Whether it is a shadow of this very code."""
        code = self.blueprint
        return generation.role == "shadow" and (generation.name, generation.version, generation.fingerprint) == (
            code.name,
            code.version,
            code.fingerprint,
        )

    def handler(self, generation: Generation, owns: Owns) -> PageHandler:
        """What applies events to a generation's tables."""
        return maintainer_of(self.processor, self._log, self._database, generation, owns, self._cached_rows)

    def remedy(self, role: Role) -> str:
        """How the rows become those of the log again."""
        name = self.processor.name
        lost = "Its rows may tell of events that are gone."
        if role == "shadow":
            return f"{lost} Abandon them, projector.abandon({name!r}), and rebuild again"
        return (
            f"{lost} Rebuild them from history: projector.rebuild({name!r}), or projector.reset({name!r}), then "
            "projector.catch_up()"
        )

    async def live(self) -> Generation | None:
        """The live generation, if there is one."""
        async with self._database.connection() as connection:
            return await self.generations.find(connection, self.processor.name)

    async def ready(self) -> Generation:
        """The live generation, begun if there is none, and rebuilt if marked. `ProcessorOutdated`: it does not fit."""
        # Return the very generation that was judged. Say a rollback makes version 1 live between the judgement and a
        # second look: this code of version 2 would then apply events to rows of version 1. Applied to the generation
        # that was judged, its pages are overtaken, for the rollback has raised the fences.
        while True:
            live = await self.live()
            if live is not None and live == self._judged:
                return live
            try:
                if await self._made_ready(live):
                    self._judged = live
            except ProcessorOutdated:
                if live == await self.live():  # else a swap may have renamed the tables during the check
                    raise

    async def _made_ready(self, live: Generation | None) -> bool:
        """True if it fits as it is; False if something was done about it, so that it must be judged again."""
        if live is None:
            await self._begin()
        elif live.rebuild is not None:
            self._check_version(live)
            logger.warning("projection %r is rebuilt from history: %s", live.name, live.rebuild)
            await self.reset(why=live.rebuild)
        else:
            async with self._database.connection() as connection:
                fits = await self._fits(connection, live)
            if not fits:
                await self._begin()
            elif live.fingerprint is None:
                async with self._database.transaction() as connection:
                    await self.generations.adopt(connection, live, self.blueprint)
            else:
                return True
        return False

    async def reset(self, *, who: str | None = None, why: str = "") -> None:
        """Drop rows and checkpoints, and begin with empty tables at the beginning of the log."""
        while not await self._reset(who, why):
            pass

    async def _reset(self, who: str | None, why: str) -> bool:
        """Whether it is done: not if another session begins at this very moment.

        The generation is a new one, so that a worker that has judged the one before finds no partition of it any more.
        """
        name = self.processor.name
        async with self._database.transaction() as connection:
            live = (await self.generations.lock(connection, name)).get("live")
            mode: Mode = "async"
            paused: Paused | None = None
            details = {"version": self.processor.version}
            if live is not None:  # locks first partitions and then tables, as a worker does
                self._check_async(live)
                mode, paused = live.mode, live.paused
                details["before"] = live.version
                await self.partitions.lock(connection, name)
                await self.generations.turn(connection, live, "turning")
            number = await self.generations.begin(connection, self.blueprint, mode=mode, paused=paused)
            if number is None:
                return False
            await self.partitions.begin(connection, name, number)
            if live is not None:
                await self._removal.remove(connection, live, self.processor.table_names)
            for table in self._tables:
                existing = await table.existing(connection)
                if existing and existing != table.expected():
                    raise ProcessorOutdated(
                        f"the table {table.name} is not one that the projection {name!r} has made, so it is not "
                        "dropped: drop it yourself, or give the read model another with table=…"
                    )
                await table.drop(connection)
                await table.create(connection)
            await self._audit.record(connection, name, "reset", who, why, details)
        return True

    async def check_inline(self, connection: Connection) -> None:
        """`ProcessorOutdated` unless appends maintain it, and its table and the code fit."""
        live = await self.generations.find(connection, self.processor.name)
        if live is None or live.mode != "inline" or not await self._fits(connection, live):
            raise ProcessorOutdated(
                f"the projection {self.processor.name!r} is recorded as inline, and its rows are not: switch "
                "it to the background (projector.switch), rebuild it (projector.reset, projector.catch_up), and switch "
                "it to inline again"
            )

    async def accept_changes(self, *, who: str | None = None, why: str = "") -> None:
        """Record that today's code would have made the same rows."""
        name = self.processor.name
        async with self._database.transaction() as connection:
            live = (await self.generations.lock(connection, name)).get("live")
            if live is None:
                return
            self._check_version(live)
            await self._check_tables(connection)
            await self.generations.adopt(connection, live, self.blueprint)
            details = {"version": live.version, "before": live.fingerprint, "fingerprint": self.blueprint.fingerprint}
            await self._audit.record(connection, name, "accept_changes", who, why, details)

    async def _begin(self) -> None:
        """Make tables and checkpoint together; `ProcessorOutdated` if only one of them is there already."""
        async with self._database.transaction() as connection:
            number = await self.generations.begin(connection, self.blueprint)
            if number is not None:
                await self.partitions.begin(connection, self.processor.name, number)
            for table in self._tables:
                exists = await table.check(connection)
                if exists and number is not None and not await table.is_empty(connection):
                    raise self._unfit(
                        table,
                        "has rows, but no checkpoint says up to which event; applying events again would count them "
                        "twice",
                    )
                if not exists and number is None:
                    raise self._unfit(table, "is gone, but its checkpoint is not")
                if not exists:
                    await table.create(connection)

    async def _fits(self, connection: Connection, live: Generation) -> bool:
        """Whether its tables are there; `ProcessorOutdated` if they, or the code, are not what made the rows."""
        self._check_version(live)
        if not await self._check_tables(connection):
            return False
        name, blueprint = live.name, self.blueprint
        if live.fingerprint not in (None, blueprint.fingerprint):
            raise ProcessorOutdated(
                f"the code or the fields of projection {name!r} have changed, and its version ({live.version}) has "
                f"not: the rows in {', '.join(table.name for table in self._tables)} are not what this code would have "
                f"made. Give it version={live.version + 1} and build its rows beside the old ones: "
                f"projector.rebuild({name!r}); or, if the change makes no difference to them, "
                f"projector.accept_changes({name!r})"
            )
        return True

    def _check_async(self, live: Generation | None) -> None:
        if live is not None and live.mode == "inline":
            raise InvalidState(
                f"appends maintain the projection {live.name!r}, and count on its rows: make it asynchronous before "
                f"they are rebuilt, projector.switch({live.name!r}, to='background')"
            )

    def _check_version(self, live: Generation) -> None:
        name, version = live.name, self.processor.version
        if live.version < version:
            raise ProcessorOutdated(
                f"the rows of projection {name!r} were made by version {live.version}, and this is version {version}: "
                f"build them beside the old ones, projector.rebuild({name!r}), or at once, projector.reset({name!r})"
            )
        if live.version > version:
            raise ProcessorOutdated(
                f"the rows of projection {name!r} were made by version {live.version}, and this is version {version}, "
                "older code: deploy the newer here, too"
            )

    async def _check_tables(self, connection: Connection) -> bool:
        return all([await table.check(connection) for table in self._tables])

    def _unfit(self, table: ModelTable, what: str) -> ProcessorOutdated:
        name = self.processor.name
        return ProcessorOutdated(
            f"the table {table.name} of projection {name!r} (version {self.processor.version}) {what}. Rebuild it "
            f"from history: projector.reset({name!r}), then projector.catch_up()"
        )
