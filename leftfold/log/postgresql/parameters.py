"""A batch of appends as the parameters of ``append_v1``: array literals, one entry for each append or for each event.

They are written here because psycopg converts a list item by item, in Python, which a large batch feels.
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
        _texts(append.stream for append in appends),
        _plain(append.expected for append in appends),
        _plain(len(append.events) for append in appends),
        _plain(event.id.hex for event in events),
        _texts(event.type for event in events),
        _plain(event.schema_version for event in events),
        _texts(event.data.decode() for event in events),
        _texts(event.metadata.decode() for event in events),
        _texts(_texts(event.tags) for event in events) if any(event.tags for event in events) else None,
        _plain("NULL" if event.occurred_at is None else moment.to_text(event.occurred_at) for event in events),
    )


def _plain(values: Iterable[object]) -> str:
    """An array literal of what needs no quotes: numbers, UUIDs, moments, NULL."""
    return "{" + ",".join(map(str, values)) + "}"


def _texts(texts: Iterable[str]) -> str:
    """An array literal of texts: each in double quotes, quotes and backslashes escaped."""
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"
