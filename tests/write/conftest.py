"""One face for both doors, so that every test of the command side is written once; four combinations run it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar, cast

import pytest

import leftfold as lf
from leftfold.doors.step import step

A = TypeVar("A", bound=lf.Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")
Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Place:
    """A store twice: ``store`` for a test's own reading and writing, ``repository`` through the door under test."""

    def __init__(self, store: lf.EventStore, door: lf.EventStore | lf.AsyncEventStore, run: Run) -> None:
        self.store = store
        self._door = door
        self._run = run

    def repository(self, of: type[A], **options: Any) -> lf.Repository[A]:
        made = self._door.repository(of, **options)
        return made if isinstance(made, lf.Repository) else cast("lf.Repository[A]", _Blocking(made, self._run))

    def deciding(
        self, of: lf.Decider[State, Command, Any], **options: Any
    ) -> lf.types.DeciderRepository[State, Command]:
        made = self._door.repository(of, **options)
        if isinstance(made, lf.types.DeciderRepository):
            return made
        return cast("lf.types.DeciderRepository[State, Command]", _Blocking(made, self._run))

    def events(self, stream: str) -> list[Any]:
        return [recorded.event for recorded in self.store.read(stream)]

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """One statement; ``{snapshots}`` stands for the table of snapshots."""

        async def run() -> list[tuple[Any, ...]]:
            async with self.store._log.database.transaction() as connection:
                return await connection.execute(sql.format(snapshots=self.store._log.database.table("snapshots")))

        return step(run())


class _Blocking:
    """An async repository that is waited for."""

    def __init__(self, repository: Any, run: Run) -> None:
        self._repository = repository
        self._run = run

    def create(self, id: str) -> AbstractContextManager[Any]:
        return self._inside(self._repository.create(id))

    def edit(self, id: str) -> AbstractContextManager[Any]:
        return self._inside(self._repository.edit(id))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._repository, name)
        return lambda *args, **kwargs: self._run(method(*args, **kwargs))

    @contextmanager
    def _inside(self, manager: Any) -> Iterator[Any]:
        made = self._run(manager.__aenter__())
        try:
            yield made
        except BaseException as error:
            if not self._run(manager.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            self._run(manager.__aexit__(None, None, None))


@pytest.fixture(params=["sync", "async"])
def place(request: pytest.FixtureRequest, store_url: str) -> Iterator[Place]:
    """A fresh store on either back end, through either door."""
    with lf.connect(store_url) as store:
        if request.param == "sync":
            yield Place(store, store, lambda coroutine: coroutine)
            return
        with asyncio.Runner() as runner:
            door = lf.connect_async(store_url)
            runner.run(door.open())
            yield Place(store, door, runner.run)
            runner.run(door.close())
