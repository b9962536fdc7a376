"""The database's own clock, as the fixed-width text in which moments are kept. Leases go by this clock alone."""

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
    """The SQL expression for now."""
    return _NOW[dialect]


def ahead(dialect: Dialect) -> str:
    """The SQL expression for ``:seconds`` from now; negative seconds are in the past."""
    return _AHEAD[dialect]
