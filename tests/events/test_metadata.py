"""Metadata follows the flow of a program: blocks, tasks and threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import leftfold as lf
from leftfold.events.metadata import current_metadata
from leftfold.events.new import encode_events

registry = lf.Registry()


class Noted(lf.Event, registry=registry):
    text: str


def carried(**options: object) -> bytes:
    """The metadata, as JSON, that an append made here would store."""
    [encoded] = encode_events([lf.NewEvent(Noted(text="rain"), **options)], registry)  # type: ignore[arg-type]
    return encoded.metadata


def test_there_is_none_outside_a_block() -> None:
    assert carried() == b"{}"
    assert len(current_metadata()) == 0


def test_nested_blocks_add_and_override_and_end() -> None:
    with lf.with_metadata(actor="ann", desk=1) as outer:
        with lf.with_metadata(actor="bob", correlation_id="c-1") as inner:
            assert carried() == b'{"actor":"bob","desk":1,"correlation_id":"c-1"}'
            assert (inner.actor, inner.correlation_id, inner.causation_id) == ("bob", "c-1", None)
        assert carried() == b'{"actor":"ann","desk":1}'
        assert outer.actor == "ann"
    assert carried() == b"{}"


def test_a_block_ends_when_it_raises() -> None:
    with pytest.raises(ZeroDivisionError), lf.with_metadata(actor="ann"):
        raise ZeroDivisionError
    assert carried() == b"{}"


def test_an_append_overrides_the_block_and_an_event_overrides_both() -> None:
    with lf.with_metadata(a=1, b=1, c=1):
        events = [Noted(text="rain"), lf.NewEvent(Noted(text="sun"), metadata={"c": 3})]
        first, second = encode_events(events, registry, {"b": 2, "c": 2})
    assert first.metadata == b'{"a":1,"b":2,"c":2}'
    assert second.metadata == b'{"a":1,"b":2,"c":3}'


def test_tasks_inherit_it_and_keep_theirs_apart() -> None:
    async def work(actor: str, entered: asyncio.Barrier) -> bytes:
        with lf.with_metadata(actor=actor):
            await entered.wait()  # both are inside now
            return carried()

    async def run() -> list[bytes]:
        entered = asyncio.Barrier(2)
        with lf.with_metadata(tenant=7):
            return list(await asyncio.gather(work("ann", entered), work("bob", entered)))

    assert asyncio.run(run()) == [b'{"tenant":7,"actor":"ann"}', b'{"tenant":7,"actor":"bob"}']
    assert carried() == b"{}"


def test_a_thread_starts_without_it_unless_it_is_given_the_context() -> None:
    seen: list[bytes] = []
    with lf.with_metadata(actor="ann"):
        plain = threading.Thread(target=lambda: seen.append(carried()))
        plain.start()
        plain.join()
        context = contextvars.copy_context()
        given = threading.Thread(target=lambda: context.run(lambda: seen.append(carried())))
        given.start()
        given.join()
    assert seen == [b"{}", b'{"actor":"ann"}']


def test_metadata_is_a_mapping_that_cannot_be_changed() -> None:
    values = lf.Metadata({"actor": "ann", "causation_id": "m-1"})
    assert values == {"actor": "ann", "causation_id": "m-1"}
    assert (values["actor"], values.causation_id, values.get("tenant")) == ("ann", "m-1", None)
    assert values | {"actor": "bob"} == {"actor": "bob", "causation_id": "m-1"}
    with pytest.raises(TypeError):
        values["actor"] = "bob"  # type: ignore[index]
