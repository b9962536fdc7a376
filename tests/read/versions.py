"""Later versions of the bank's projection, for what happens when code changes under rows that are there."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import leftfold as lf
from leftfold.doors.step import step
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.read.model.amounts import Digits
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import DELETE, Delete
from tests.read.bank import CATEGORY, Balance, Closed, Deposited, Opened, balances


@projection(Balance, category=CATEGORY, on=[Opened, Deposited, Closed], version=2, name="balances")
def doubled(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | Delete | None:
    """The same fields, other rows."""
    row_of_one = balances.function(row, recorded)
    if isinstance(row_of_one, Balance) and isinstance(recorded.event, Deposited):
        return row_of_one.replace(amount=row_of_one.amount + recorded.event.amount)
    return row_of_one


class Statement(ReadModel, table="balance"):
    """Other fields: one is gone, one is new, one has another type."""

    account_id: Key[str]
    owner: str
    amount: Annotated[Decimal, Digits(19, 2)] = Decimal(0)
    entries: int = 0


@projection(Statement, category=CATEGORY, on=[Opened, Deposited, Closed], version=3, name="balances")
def statements(row: Statement | None, recorded: lf.RecordedEvent) -> Statement | Delete | None:
    event = recorded.event
    if isinstance(event, Opened):
        return Statement(recorded.stream_id, event.owner)
    if isinstance(event, Closed):
        return DELETE
    assert row is not None
    return row.replace(amount=row.amount + event.amount, entries=row.entries + 1)


@projection(Balance, category=CATEGORY, on=[Opened, Deposited, Closed], version=2, name="balances")
def failing(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | Delete | None:
    if isinstance(recorded.event, Deposited) and recorded.event.amount == 13:
        raise LookupError("thirteen")
    return balances.function(row, recorded)


def generations(store: lf.EventStore, name: str = "balances") -> dict[str, Generation]:
    """By role."""
    database = store._log.database

    async def load() -> dict[str, Generation]:
        async with database.connection() as connection:
            return {one.role: one for one in await Generations(database).all(connection) if one.name == name}

    return step(load())


def versions(store: lf.EventStore, name: str = "balances") -> dict[str, int]:
    """The version of each role."""
    return {role: one.version for role, one in generations(store, name).items()}


def parts_of(store: lf.EventStore, role: str, name: str = "balances") -> list[Partition]:
    """The partitions of a generation; none if there is no such."""
    database, of = store._log.database, generations(store, name).get(role)

    async def load() -> list[Partition]:
        async with database.connection() as connection:
            found: Any = await Partitions(database).load(connection, name, of.number if of is not None else 0)
            return list(found)

    return step(load())
