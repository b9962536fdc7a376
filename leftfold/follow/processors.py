"""Everything that follows a log with a checkpoint: where each processor stands, and what people do to it.

Only `unpark` needs a processor's code. The audit log keeps every act, with who did it and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leftfold.database.protocol import Database
from leftfold.follow.checkpoints.audit import AuditEntry, AuditLog
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedEvent, ParkedEvents
from leftfold.follow.checkpoints.partition import Failure
from leftfold.follow.operate.acts import Acts, ParkedHandler, Unparked, unknown
from leftfold.follow.operate.status import ProcessorStatus, status_of
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.log.contract import Log


class AsyncProcessors:
    """The processors of a store, for asyncio; from `AsyncEventStore.processors`. Acts take effect when they return.

    ``who`` is by default user@host. `InvalidArgument`: there is no processor of that name. `InvalidState`: the act
    makes no sense as things stand.
    """

    def __init__(
        self,
        log: Log,
        database: Database,
        handler_of: Callable[[str], ParkedHandler],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._log = log
        self._database = database
        self._handler_of = handler_of
        self._lease_seconds = lease_seconds
        self._acts = Acts(log, database)

    async def status(self, name: str | None = None) -> list[ProcessorStatus]:
        """Where every generation of every processor in the database stands, or of one; see `ProcessorStatus`."""
        found = await status_of(self._log, self._database, self._lease_seconds)
        if name is None:
            return found
        if not (of_name := [status for status in found if status.name == name]):
            raise unknown(name, {status.name for status in found})
        return of_name

    async def pause(self, name: str, *, why: str, who: str | None = None) -> None:
        """Apply nothing any more, from when this returns until `resume`."""
        await self._acts.pause(name, who=who, why=why)

    async def resume(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Let a processor run again after `pause`."""
        await self._acts.resume(name, who=who, why=why)

    async def retry(self, name: str, *, why: str = "", who: str | None = None) -> list[Failure]:
        """Let workers try the events again in front of which a processor stands still; what these are."""
        return await self._acts.retry(name, who=who, why=why)

    async def skip(self, name: str, *, position: int, why: str, who: str | None = None) -> Failure:
        """Go on behind the event in front of which a processor stands still, without ever applying it."""
        return await self._acts.skip(name, who=who, why=why, position=position)

    async def parked(self, name: str) -> list[ParkedEvent]:
        """The events that a processor has parked, in the order of the log."""
        async with self._database.connection() as connection:
            live = await Generations(self._database).find(connection, name)
            if live is None:
                known = {generation.name for generation in await Generations(self._database).all(connection)}
                raise unknown(name, known)
            return await ParkedEvents(self._database).all(connection, name, live.number)

    async def unpark(self, name: str, *, key: Any = None, why: str = "", who: str | None = None) -> Unparked:
        """Apply what a processor has parked, of one key or of all. A key whose event fails again keeps the rest.

        Needs the processor's code: the store knows its app's, its inline ones, and those of its projectors.
        """
        return await self._acts.unpark(name, self._handler_of(name), who=who, why=why, key=key)

    async def audit(self, name: str | None = None, *, limit: int = 20) -> list[AuditEntry]:
        """What was done to processors, or to one, by whom and why: at most ``limit`` acts, the latest first."""
        async with self._database.connection() as connection:
            return await AuditLog(self._database).latest(connection, name, limit)
