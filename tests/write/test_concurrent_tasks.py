"""An aggregate that two tasks hold: nothing recorded is lost, nothing is stored twice, no snapshot runs ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import leftfold as lf
from tests.write.bank import Account, Deposited, Remembered

ONE = Decimal(1)
Check = Callable[[lf.AsyncRepository[Remembered], Remembered], Coroutine[Any, Any, None]]


def with_account(url: str, check: Check) -> None:
    """Run a check on Ann's account, two events from its first snapshot."""

    async def run() -> None:
        async with lf.connect_async(url) as store:
            await store.append("Account-ann", [Deposited(amount=ONE)])
            accounts = store.repository(Remembered)
            await check(accounts, await accounts.get("ann"))
            remembered, folded = await accounts.get("ann"), await store.repository(Account).get("ann")
            assert remembered.movements == folded.movements == [ONE] * folded.version

    asyncio.run(run())


def test_what_is_recorded_while_a_save_is_under_way_stays_pending(store_url: str) -> None:
    async def check(accounts: lf.AsyncRepository[Remembered], ann: Remembered) -> None:
        async def deposit() -> None:
            ann.deposit(ONE)

        ann.deposit(ONE)
        ann.deposit(ONE)
        meanwhile = asyncio.create_task(deposit())  # runs as soon as the save waits for the database
        result = await accounts.save(ann)
        await meanwhile
        assert (result.version, ann.version, len(ann.pending)) == (3, 3, 1)
        assert (await accounts.get("ann")).balance == 3
        assert (await accounts.save(ann)).version == 4
        assert (await accounts.get("ann")).balance == 4

    with_account(store_url, check)


def test_two_saves_at_once_are_one_append(store_url: str) -> None:
    async def check(accounts: lf.AsyncRepository[Remembered], ann: Remembered) -> None:
        ann.deposit(ONE)
        ann.deposit(ONE)
        results = await asyncio.gather(accounts.save(ann), accounts.save(ann))
        assert [result.version for result in results] == [3, 3]
        assert sorted(result.duplicate for result in results) == [False, True]
        assert (ann.version, ann.pending) == (3, ())
        assert (await accounts.get("ann")).balance == 3

    with_account(store_url, check)


def test_racing_updates_all_happen_once(store_url: str) -> None:
    async def check(accounts: lf.AsyncRepository[Remembered], ann: Remembered) -> None:
        await asyncio.gather(*(accounts.update("ann", Remembered.deposit, ONE) for _ in range(5)))
        found = await accounts.get("ann")
        assert (found.version, found.movements) == (6, [ONE] * 6)

    with_account(store_url, check)
