"""Closing a store: its log, and the database of its read models where that is another database."""

from __future__ import annotations

from leftfold.database.inside import check_outside
from leftfold.database.protocol import Database
from leftfold.log.contract import Log


async def close_both(log: Log, read_models: Database) -> None:
    """Close every connection, of both. Closing twice is fine; inside a transaction of the store it is refused."""
    check_outside(log.database)
    try:
        await log.close()
    finally:
        if read_models is not log.database:
            await read_models.close()
