"""A batch of appends as the parameters of ``append_v1``: arrays, one entry for each append or for each event.

Numbers and ids are written as array literals here, which is cheaper than psycopg's conversion of a list item by item;
texts are left to psycopg, which knows how to quote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leftfold.events import moment
from leftfold.log.contract import Append


def append_parameters(appends: Sequence[Append], *, together: bool) -> tuple[object, ...]:
    """Eleven parameters, in the function's order."""
    events = [event for append in appends for event in append.events]
    return (
        together,
        [append.stream for append in appends],
        _literal(append.expected for append in appends),
        _literal(len(append.events) for append in appends),
        _literal(event.id.hex for event in events),
        [event.type for event in events],
        _literal(event.schema_version for event in events),
        [event.data.decode() for event in events],
        [event.metadata.decode() for event in events],
        [_quoted(event.tags) for event in events] if any(event.tags for event in events) else None,
        _literal("NULL" if event.occurred_at is None else moment.to_text(event.occurred_at) for event in events),
    )


def _literal(values: Iterable[object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(texts: Sequence[str]) -> str:
    """An array literal of texts: each in double quotes, quotes and backslashes escaped."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"
