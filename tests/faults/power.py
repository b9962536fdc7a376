"""A store that lives through power cuts: what it was told is stored, and what must be there when the power is back."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import leftfold as lf
from leftfold.doors.step import step
from leftfold.log.contract import Log
from leftfold.testing.conformance.facts import Paid, registry
from leftfold.testing.faulty_disk import VolatileDisk, interposed

WAL = "store.db-wal"
STREAMS = 5
PAGES_BEFORE_CHECKPOINT = 20  # not SQLite's 1,000, so that many a cut falls into a checkpoint


@dataclass
class Call:
    """One append to one stream or two. ``position`` is of its last event, if it was acknowledged; ``flushes`` counts
    those of the WAL until then."""

    writes: list[lf.Write]
    position: int | None = None
    flushes: int = 0

    @property
    def ids(self) -> list[str]:
        return [str(event.id) for write in self.writes for event in write.events]


@dataclass
class Found:
    """What was wrong after the cuts, and how much was tried."""

    cuts: int = 0
    checkpoints: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged and not there; at full strength each is in ``wrong`` too."""
    unknown_stored: int = 0
    unknown_gone: int = 0
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Found) -> Found:
        added = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        return Found(**added)


class PoweredStore:
    """One store from power cut to power cut, each time on what the disk then holds."""

    def __init__(self, home: Path, seed: int, options: str = "", *, may_lose_its_tail: bool = False) -> None:
        self.found = Found()
        self._home = home
        self._seed = seed
        self._options = options
        self._may_lose_its_tail = may_lose_its_tail
        self._chance = random.Random(seed)
        self._stored: dict[str, int] = {}  # ids of events that are there, and their positions
        self._calls: list[Call] = []  # since the power came back
        self._folder = self._new_folder()

    def live_until_the_power_goes(self) -> None:
        """Append until the disk goes dark at a random operation, look at what it left, and compare."""
        cut_at = int(10 ** self._chance.uniform(0.5, 3.0))
        disk = VolatileDisk(self._folder, cut_at, at_flush=self._chance.random() < 0.3)
        self._calls = []
        with interposed(disk, self._folder):
            try:
                while True:
                    if self._chance.random() < 0.3:
                        asyncio.run(self._several_callers(disk))
                    else:
                        self._one_caller(disk)
            except (lf.StoreUnavailable, sqlite3.OperationalError):
                if not disk.is_cut:
                    raise
        self.found.cuts += 1
        self.found.checkpoints += disk.flushes["store.db"]
        left = self._new_folder()
        disk.leave(left, self._chance)
        shutil.rmtree(self._folder)
        self._folder = left
        self._compare(disk)

    def _one_caller(self, disk: VolatileDisk) -> None:
        """A session through the sync door; closing it moves the WAL into the file."""
        with lf.connect(self._url, registry=registry) as store:
            step(_checkpoint_often(store._log))
            for _ in range(self._chance.randint(1, 40)):
                call = self._call(self._chance.choice([1, 1, 1, 2]))
                if len(call.writes) == 1:
                    [write] = call.writes
                    result = store.append(write.stream, write.events)
                else:
                    result = store.append_all(call.writes)[-1]
                self._acknowledge(call, result, disk)

    async def _several_callers(self, disk: VolatileDisk) -> None:
        """A session through the async door."""

        async def write(store: lf.AsyncEventStore) -> None:
            for _ in range(8):
                call = self._call(1)
                result = await store.append(call.writes[0].stream, call.writes[0].events)
                self._acknowledge(call, result, disk)

        async with lf.connect_async(self._url, registry=registry) as store:
            await _checkpoint_often(store._log)
            outcomes = await asyncio.gather(*(write(store) for _ in range(4)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _call(self, streams: int) -> Call:
        writes = []
        for number in sorted(self._chance.sample(range(STREAMS), streams)):
            sizes = [int(10 ** self._chance.uniform(0, 4)) for _ in range(self._chance.randint(1, 4))]
            writes.append(
                lf.Write(f"Thing-{number}", [lf.NewEvent(Paid(amount=Decimal(1), note="x" * size)) for size in sizes])
            )
        self._calls.append(Call(writes))
        return self._calls[-1]

    def _acknowledge(self, call: Call, result: lf.AppendResult, disk: VolatileDisk) -> None:
        call.position, call.flushes = result.position, disk.flushes[WAL]
        self.found.acknowledged += 1

    def _compare(self, disk: VolatileDisk) -> None:
        """Every finding is a line of what was expected and what was found."""
        try:
            stored = self._read()
        except (sqlite3.DatabaseError, lf.LeftfoldError) as error:
            self._complain(f"the file is damaged: {error}")
            self._stored, self._folder = {}, self._new_folder()
            return
        ids = [str(one.id) for one in stored]
        positions = dict(zip(ids, (one.position for one in stored), strict=True))
        self._check_shape(stored)
        last = max(positions.values(), default=0)
        for call in self._calls:
            there = sum(one in positions for one in call.ids)
            if there not in (0, len(call.ids)):
                self._complain(f"half of an append: {there} of {len(call.ids)} events")
            elif call.position is None:
                self.found.unknown_stored += bool(there)
                self.found.unknown_gone += not there
            elif there and positions[call.ids[-1]] != call.position:
                self._complain(f"told position {call.position}, found at {positions[call.ids[-1]]}")
            elif not there:
                self._judge_loss(call, last, disk)
        for one, position in self._stored.items():
            if positions.get(one) != position:
                self.found.lost += 1
                self._complain(f"what had survived a power cut at {position} is now at {positions.get(one)}")
        known = {*self._stored, *(one for call in self._calls for one in call.ids)}
        if strangers := positions.keys() - known:
            self._complain(f"{len(strangers)} events that nobody appended")
        self._stored = positions

    def _check_shape(self, stored: list[lf.RecordedEvent]) -> None:
        if [one.position for one in stored] != list(range(1, len(stored) + 1)):
            self._complain("positions are not 1, 2, 3, …")
        for number in range(STREAMS):
            versions = [one.version for one in stored if one.stream == f"Thing-{number}"]
            if versions != list(range(1, len(versions) + 1)):
                self._complain(f"versions of Thing-{number} are {versions}")

    def _judge_loss(self, call: Call, last: int, disk: VolatileDisk) -> None:
        """An acknowledged append is gone: fair only with the weaker setting, from the end, since the last flush."""
        self.found.lost += 1
        if not self._may_lose_its_tail:
            self._complain(f"acknowledged at {call.position} and lost")
        elif call.flushes < disk.flushes[WAL]:
            self._complain(f"acknowledged at {call.position}, flushed since, and lost")
        if call.position is not None and call.position - len(call.ids) < last:
            self._complain(f"lost at {call.position} although what came after, up to {last}, is there")

    def _read(self) -> list[lf.RecordedEvent]:
        with closing(sqlite3.connect(self._folder / "store.db")) as raw:
            [(verdict,), *_] = raw.execute("PRAGMA integrity_check").fetchall()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        with lf.connect(self._url, registry=registry) as store:
            return list(store.read_all())

    def _complain(self, text: str) -> None:
        self.found.wrong.append(f"seed {self._seed}, cut {self.found.cuts}: {text}")

    def _new_folder(self) -> Path:
        folder = self._home / f"{self._seed}-{self.found.cuts}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    @property
    def _url(self) -> str:
        return f"sqlite:///{self._folder}/store.db{self._options}"


async def _checkpoint_often(log: Log) -> None:
    async with log.database.transaction() as connection:  # on the one connection that writes
        await connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BEFORE_CHECKPOINT}")


def total(stores: Iterable[PoweredStore]) -> Found:
    """What all of them found."""
    return sum((store.found for store in stores), Found())
