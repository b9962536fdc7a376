"""The database's own clock, as the fixed-width text that moments are kept in: leases are judged by no other."""

from __future__ import annotations

from leftfold.database.protocol import Dialect

_NOW = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    "postgresql": """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
}
_AHEAD = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', :seconds || ' seconds')",
    "postgresql": """to_char((clock_timestamp() + CAST(:seconds AS double precision) * interval '1 second')
        AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
}


def now(dialect: Dialect) -> str:
    """An expression: now."""
    return _NOW[dialect]


def ahead(dialect: Dialect) -> str:
    """An expression: ``:seconds`` from now, or ago if negative."""
    return _AHEAD[dialect]
