"""A batch of appends as the parameters of ``append_v1``: array literals, an entry for each append or each event.

They are written here because psycopg converts a list item by item, in Python, which is slow for a large batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from leftfold.events import moment
from leftfold.events.query import Criterion, Span
from leftfold.log.append import Append
from leftfold.log.condition import AppendCondition
from leftfold.log.select import category_range

_to_json = msgspec.json.Encoder().encode
_ESCAPED = re.compile(rb"\\[bfnrtu]")
"""What JSON writes for a control character; or a backslash and such a letter in the text, which costs only time."""


def append_parameters(
    appends: Sequence[Append],
    *,
    together: bool,
    wait: bool = True,
    condition: AppendCondition | None = None,
    inline: str = "",
) -> tuple[str | None, ...]:
    """Eighteen parameters in the function's order, as text; ``inline`` is the digest of the inline projections."""
    events = [event for append in appends for event in append.events]
    rows = [() if append.row_locks is None else append.row_locks.locks for append in appends]
    return (
        str(together),
        str(wait),
        *_conditions([condition] if together else [append.condition for append in appends]),
        _texts([append.stream for append in appends]),
        _plain([append.expected for append in appends]),
        _plain([len(append.events) for append in appends]),
        _plain([event.id for event in events]),
        _texts([event.type for event in events]),
        _plain([event.schema_version for event in events]),
        _texts([event.data.decode() for event in events]),
        _texts([event.metadata.decode() for event in events]),
        _texts(_texts(event.tags) for event in events) if any(event.tags for event in events) else None,
        _plain([event.occurred_at and moment.to_text(event.occurred_at) for event in events]),
        inline,
        _texts(map(_plain, rows)) if any(rows) else None,
    )


def is_plain(append: Append) -> bool:
    """Whether the append can take the short way: one event, without tags, on no condition."""
    return len(append.events) == 1 and not append.events[0].tags and append.condition is None


def append_one_parameters(append: Append, *, wait: bool) -> tuple[str | None, ...]:
    """Nine parameters for ``append_one_v1``."""
    [event] = append.events
    return (
        str(wait),
        append.stream,
        str(append.expected),
        event.id.hex,
        event.type,
        str(event.schema_version),
        event.data.decode(),
        event.metadata.decode(),
        None if event.occurred_at is None else moment.to_text(event.occurred_at),
    )


def _conditions(conditions: Sequence[AppendCondition | None]) -> Sequence[str | None]:
    """The arguments ``p_unless``, ``p_firsts``, ``p_after`` and ``p_seen`` of ``append_v1``."""
    if not any(conditions):
        return None, None, None, None
    queries = [None if condition is None else condition.unless.criteria for condition in conditions]
    unless = _texts(
        None if criteria is None else _json([_criterion(criterion) for criterion in criteria]) for criteria in queries
    )
    firsts = None
    if all(criterion.tags for criteria in queries if criteria for criterion in criteria):
        firsts = _texts(
            None if criteria is None else _texts(min(criterion.tags) for criterion in criteria) for criteria in queries
        )
    return (
        unless,
        firsts,
        _plain(0 if condition is None else int(condition.after) for condition in conditions),
        _texts("{}" if condition is None else _plain(map(int, condition.seen)) for condition in conditions),
    )


def _json(value: object) -> str:
    return _to_json(value).decode()


def _criterion(criterion: Criterion) -> dict[str, object]:
    """As ``first_match_v1`` reads it. Tags are sorted: conditions about the same tags lock the same, first tag."""
    described: dict[str, object] = {"types": _types(criterion.types), "tags": _texts(sorted(criterion.tags))}
    if criterion.category is not None:
        described["from"], described["below"] = category_range(criterion.category)
    for name, span in (("occurred", criterion.occurred), ("recorded", criterion.recorded)):
        if span is not None:
            described[name] = _moments(span)
    return described


@lru_cache(maxsize=1_000)
def _types(names: frozenset[str]) -> str:
    """Cached: a program has few such sets."""
    return _texts(sorted(names))


def _moments(span: Span) -> list[str | None]:
    return [None if bound is None else moment.to_text(bound) for bound in span]


def _plain(values: Iterable[object]) -> str:
    """An array literal of values that need no escapes: numbers, UUIDs, moments, None.

    A JSON array is the same but for the brackets, and msgspec writes it in C.
    """
    return "{" + _to_json(list(values))[1:-1].decode() + "}"


def _texts(texts: Iterable[str | None]) -> str:
    """An array literal of texts. PostgreSQL takes JSON's ``\\t`` for a t, so such texts are quoted here."""
    listed = list(texts)
    encoded = _to_json(listed)
    if _ESCAPED.search(encoded):
        return "{" + ",".join(["NULL" if text is None else _quoted(text) for text in listed]) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
