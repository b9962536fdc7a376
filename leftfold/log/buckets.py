"""Buckets: which of 64 a key belongs to, for ever and everywhere, so that workers can share a log's events.

PostgreSQL from 18 on computes the bucket of a stream's id itself, and leaves other workers' events out of a page.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from leftfold.database.protocol import Connection

BUCKETS = 64

Buckets = tuple[int, int]
"""A range of buckets: the first and the last."""

SAMPLES = ("Thing-7", "Thing-", 'a-"\\/', "a-\x01\b\t\n\f\r\x1f\x7f\u2028", "a-b-c", "Währung-ß日本\U0001f600")
"""Streams for which the database must compute the same as `bucket_of`, before it is believed."""


def bucket_of(key: Sequence[Any]) -> int:
    """The bucket of a key's values, the same for ever and everywhere."""
    return zlib.crc32(msgspec.json.encode(key)) % BUCKETS


def bucket_of_stream(stream: str) -> int:
    """The bucket of a stream's id."""
    return bucket_of([stream.partition("-")[2]])


async def tells_buckets(connection: Connection) -> bool:
    """Whether PostgreSQL computes the buckets of streams as `bucket_of_stream` does."""
    sql = f"SELECT {bucket_in_sql('s')} FROM unnest(%s::text[]) WITH ORDINALITY u(s, number) ORDER BY number"
    try:
        buckets = await connection.execute(sql, (list(SAMPLES),))
    except Exception as error:
        if getattr(error, "sqlstate", None) == "42883":  # before 18 there is no crc32
            return False
        raise
    return [bucket for (bucket,) in buckets] == [bucket_of_stream(stream) for stream in SAMPLES]


def bucket_in_sql(stream: str) -> str:
    """`bucket_of_stream` as an expression of PostgreSQL's; ``stream`` is an expression for the stream's name."""
    id = f"substr({stream}, strpos({stream}, '-') + 1)"
    return f"(crc32(convert_to('[' || to_json({id})::text || ']', 'UTF8')) & {BUCKETS - 1})"
