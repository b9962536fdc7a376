"""A process of the trial: callers and followers at two stores, one through each door. It lives until it is killed.

``python -m leftfold.testing.trial.workload.worker SETTING`` says ``open`` when it has begun. Its stdin takes ``quiet``:
its callers end, and it says ``quiet``. Then ``until POSITION``: its followers go on as far as that, and the process
ends. ``fail CODE AFTER TIMES`` and ``heal`` are for the disk under an SQLite file. When stdin closes, the parent is
gone, and the process ends, too.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import traceback
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path

import msgspec

from leftfold.testing.faulty_disk import FailingDisk, interposed
from leftfold.testing.trial.record.history import Journal
from leftfold.testing.trial.record.records import Query
from leftfold.testing.trial.workload.calls import Caller, Memory
from leftfold.testing.trial.workload.followers import FollowerLoop
from leftfold.testing.trial.workload.questions import DoorKind, opened

DOORS: tuple[DoorKind, ...] = ("async", "sync")


class FollowerSetting(msgspec.Struct, frozen=True):
    """A follower, and the door that it goes through."""

    name: str
    door: DoorKind
    query: Query


class Setting(msgspec.Struct, frozen=True):
    """What a worker is told. ``callers`` are those at each door; ``mutant`` is a ``module:function`` to call first."""

    url: str
    directory: str
    name: str
    seed: str
    callers: int
    followers: tuple[FollowerSetting, ...]
    mutant: str | None = None
    disk: bool = False
    """Whether the disk is to fail on demand."""


async def live(setting: Setting) -> None:
    """Work, and die loudly of whatever goes wrong: the threads of subscriptions would keep the process for ever."""
    try:
        await work(setting)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


async def work(setting: Setting) -> None:
    """The life of a worker."""
    directory = Path(setting.directory)
    journal = Journal(directory / f"worker-{setting.name}.jsonl")
    quiet, until = asyncio.Event(), asyncio.get_running_loop().create_future()
    disk = FailingDisk()
    orders = asyncio.create_task(_listen(quiet, until, disk))
    memory = Memory()
    async with AsyncExitStack() as stack:
        if setting.disk:
            stack.enter_context(interposed(disk, Path(setting.url.removeprefix("sqlite:///")).parent))
        desks = {
            door: await stack.enter_async_context(opened(setting.url, door, journal)) for door in ("async", "sync")
        }
        callers = [
            Caller(f"{door}-{number}", desk, random.Random(f"{setting.seed}/{door}/{number}"), memory)
            for door, desk in desks.items()
            for number in range(setting.callers)
        ]
        followers = [
            (
                FollowerLoop(
                    follower.name, follower.query, directory, random.Random(f"{setting.seed}/{follower.name}")
                ),
                desks[follower.door],
            )
            for follower in setting.followers
        ]
        _say("open")
        following = [asyncio.create_task(follower.live(desk.store)) for follower, desk in followers]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.live(quiet))
        _say("quiet")
        position = await until
        for follower, _ in followers:
            follower.end_at(position)
        for task in following:
            await task
    orders.cancel()


async def _listen(quiet: asyncio.Event, until: asyncio.Future[int], disk: FailingDisk) -> None:
    """Do as stdin says."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        match line:
            case ["quiet"]:
                quiet.set()
            case ["until", position]:
                until.set_result(int(position))
            case ["fail", code, after, times]:
                disk.fail(int(code), after=int(after), times=int(times))
            case ["heal"]:
                disk.heal()
    os._exit(0)


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def main(setting: str) -> None:
    decoded = msgspec.json.decode(setting, type=Setting)
    if decoded.mutant:
        module, _, function = decoded.mutant.partition(":")
        getattr(import_module(module), function)()
    asyncio.run(live(decoded))


if __name__ == "__main__":
    main(sys.argv[1])
