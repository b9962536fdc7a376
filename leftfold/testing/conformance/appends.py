"""What an append promises: all or nothing, judged by the database, recognised when it comes again."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Connect, Door, scenario
from leftfold.testing.conformance.facts import Counted, Paid, an_append, counted, day

_EXPECTED = (
    (lf.ANY_VERSION, 0, True),
    (lf.ANY_VERSION, 2, True),
    (lf.NO_STREAM, 0, True),
    (lf.NO_STREAM, 2, False),
    (lf.STREAM_EXISTS, 0, False),
    (lf.STREAM_EXISTS, 2, True),
    (1, 0, False),
    (1, 2, False),
    (2, 2, True),
    (3, 2, False),
)
"""The expected version, the actual version, and whether the append is to succeed."""


async def numbers(store: Door, stream: str) -> list[tuple[int, int]]:
    """Version and number of each event of a stream."""
    return [(recorded.version, recorded.event.number) for recorded in await store.read(stream)]


class AppendChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    @scenario
    async def test_versions_count_from_one_and_positions_increase(self, connect: Connect) -> None:
        async with connect() as store:
            first = await store.append("Thing-a", counted(2))
            second = await store.append("Thing-a", counted(1, start=3))
            assert (first.version, second.version) == (2, 3)
            recorded = await store.read("Thing-a")
            assert [event.version for event in recorded] == [1, 2, 3]
            positions = [event.position for event in recorded]
            assert positions == sorted(set(positions))
            assert (first.position, second.position) == (positions[1], positions[2])
            assert not first.duplicate

    @scenario
    async def test_every_expected_version_is_judged(self, connect: Connect) -> None:
        async with connect() as store:
            for number, (expected, existing, succeeds) in enumerate(_EXPECTED):
                stream = f"Thing-{number}"
                await store.append(stream, counted(existing))
                for events in ([], counted(1, start=9)):
                    if succeeds:
                        await store.append(stream, events, expected=expected)
                        continue
                    with pytest.raises(lf.ConcurrencyError) as refused:
                        await store.append(stream, events, expected=expected)
                    error = refused.value
                    assert (error.stream, error.expected, error.actual) == (stream, expected, existing)
                assert len(await store.read(stream)) == existing + succeeds

    @scenario
    async def test_an_empty_append_writes_nothing_and_tells_where_the_stream_is(self, connect: Connect) -> None:
        async with connect() as store:
            assert await store.append("Thing-a", []) == lf.AppendResult(0, 0)
            stored = await store.append("Thing-a", counted(2))
            assert await store.append("Thing-a", [], expected=2) == stored
            assert await store.append_all([]) == []
            assert len(await store.read_all()) == 2

    @scenario
    async def test_the_same_events_again_return_the_first_result(self, connect: Connect) -> None:
        async with connect() as store:
            events = counted(3)
            first = await store.append("Thing-a", events, expected=lf.NO_STREAM)
            await store.append("Thing-a", counted(1, start=4))
            again = await store.append("Thing-a", events, expected=lf.NO_STREAM)
            assert (again.version, again.position, again.duplicate) == (first.version, first.position, True)
            assert [number for _, number in await numbers(store, "Thing-a")] == [1, 2, 3, 4]

    @scenario
    async def test_any_other_overlap_of_ids_is_refused_and_writes_nothing(self, connect: Connect) -> None:
        async with connect() as store:
            first, second, third = events = counted(3)
            await store.append("Thing-a", events)
            altered = lf.NewEvent(Counted(99), id=first.id)
            retyped = lf.NewEvent(Paid(amount=Decimal(1)), id=first.id)
            before = await store.read_all()
            for stream, repeated in (
                ("Thing-a", [third, *counted(1)]),
                ("Thing-a", [*counted(1), first]),
                ("Thing-a", [second, first, third]),
                ("Thing-a", [first, third]),
                ("Thing-b", events),
                ("Thing-a", [altered, second, third]),
                ("Thing-a", [retyped]),
            ):
                with pytest.raises(lf.DuplicateEvent):
                    await store.append(stream, repeated)
            assert await store.read_all() == before

    @scenario
    async def test_several_streams_are_written_together_or_not_at_all(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(1))
            writes = [lf.Write("Thing-a", counted(2), 1), lf.Write("Thing-b", counted(1), lf.NO_STREAM)]
            results = await store.append_all(writes)
            assert [result.version for result in results] == [3, 1]
            with pytest.raises(lf.ConcurrencyError, match="Thing-b"):
                await store.append_all([lf.Write("Thing-c", counted(1)), lf.Write("Thing-b", counted(1), 7)])
            assert await store.read("Thing-c") == []
            again = await store.append_all(writes)
            assert [(result.version, result.position) for result in again] == [
                (result.version, result.position) for result in results
            ]
            assert all(result.duplicate for result in again)
            assert len(await store.read_all()) == 4

    @scenario
    async def test_append_all_recognises_only_a_whole_former_call(self, connect: Connect) -> None:
        async with connect() as store:
            a, b, c = counted(3)
            await store.append("Thing-a", [a])
            await store.append("Thing-b", [b])
            for writes in (
                [lf.Write("Thing-a", [a]), lf.Write("Thing-b", [b])],
                [lf.Write("Thing-a", [a]), lf.Write("Thing-c", [c])],
            ):
                with pytest.raises(lf.DuplicateEvent):
                    await store.append_all(writes)
            assert len(await store.read_all()) == 2

    @scenario
    async def test_each_append_of_a_batch_has_an_outcome_of_its_own(self, connect: Connect) -> None:
        async with connect() as store:
            known = counted(2)
            await store.append("Thing-a", known)
            last = counted(1, start=7)
            outcomes = await store.append_batch(
                [
                    an_append("Thing-b", counted(1), lf.NO_STREAM),
                    an_append("Thing-a", counted(1, start=3), 2),
                    an_append("Thing-b", counted(1), lf.NO_STREAM),
                    an_append("Thing-a", counted(1), 2),
                    an_append("Thing-a", list(known), lf.NO_STREAM),
                    an_append("Thing-c", [known[0]]),
                    an_append("Thing-a", list(last), 3),
                    an_append("Thing-a", [], 4),
                ]
            )
            kinds = [type(outcome).__name__ for outcome in outcomes]
            stored, refused = "AppendResult", "ConcurrencyError"
            assert kinds == [stored, stored, refused, refused, stored, "DuplicateEvent", stored, stored]
            repeated, at_end = outcomes[4], outcomes[7]
            assert isinstance(repeated, lf.AppendResult)
            assert repeated.duplicate
            [*_, newest] = await store.read("Thing-a")
            assert at_end == lf.AppendResult(4, newest.position)
            assert await numbers(store, "Thing-a") == [(1, 1), (2, 2), (3, 3), (4, 7)]
            assert await numbers(store, "Thing-b") == [(1, 1)]
            assert await store.read("Thing-c") == []

    @scenario
    async def test_bad_input_is_refused_before_anything_is_written(self, connect: Connect) -> None:
        nested: Any = []
        for _ in range(5000):
            nested = [nested]
        bad: list[tuple[type[Exception], str, Any, str]] = [
            (lf.InvalidArgument, "nodash", [Counted(1)], "category-id"),
            (lf.InvalidArgument, "Thing-", [Counted(1)], "category-id"),
            (lf.InvalidArgument, "-a", [Counted(1)], "category-id"),
            (lf.InvalidArgument, "Thing-\0", [Counted(1)], "NUL"),
            (lf.InvalidArgument, "Thing-\ud800", [Counted(1)], "surrogate"),
            (lf.InvalidArgument, "Thing-" + "ü" * 300, [Counted(1)], "512"),
            (lf.errors.UnknownEventType, "Thing-a", [object()], "not a registered event type"),
            (lf.errors.UnknownEventType, "Thing-a", [Counted], "instances"),
            (lf.InvalidEvent, "Thing-a", [Counted(number="x")], r"\$\.number"),  # type: ignore[arg-type]
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal("NaN"))], "amount"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal("-Infinity"))], "amount"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=0.1)], "amount"),  # type: ignore[arg-type]
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), rate=float("nan"))], "rate"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), rate=float("inf"))], "rate"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), note="\ud800")], "surrogate"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), due=datetime(2026, 1, 1))], "naive"),  # noqa: DTZ001
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), extra=(1, 2))], "extra"),
            (lf.InvalidEvent, "Thing-a", [Paid(amount=Decimal(1), extra=nested)], "nested too deeply"),
            (lf.errors.EventTooLarge, "Thing-a", [Paid(amount=Decimal(1), note="x" * 2**24)], "bytes"),
            (lf.InvalidEvent, "Thing-a", [lf.RawEvent("x", b'{"a":}')], "JSON"),
            (lf.InvalidEvent, "Thing-a", [lf.RawEvent("x", b'["\\ud800"]')], "JSON"),
            (lf.InvalidArgument, "Thing-a", [lf.NewEvent(Counted(1), occurred_at=datetime(2026, 1, 1))], "naive"),  # noqa: DTZ001
            (lf.InvalidArgument, "Thing-a", [lf.NewEvent(Counted(1), tags=["a\0"])], "NUL"),
            (lf.InvalidEvent, "Thing-a", [lf.NewEvent(Counted(1), metadata={"a": object()})], "metadata"),
            (lf.InvalidArgument, "Thing-a", Counted(1), "list of events"),
        ]
        async with connect() as store:
            for error, stream, events, message in bad:
                with pytest.raises(error, match=message):
                    await store.append(stream, [*counted(1), *events] if isinstance(events, list) else events)
            for expected in (-3, 1.5, True, 2**63):
                with pytest.raises(lf.InvalidArgument, match="expected"):
                    await store.append("Thing-a", counted(1), expected=expected)
            with pytest.raises(lf.InvalidArgument, match="same id"):
                await store.append("Thing-a", counted(1) * 2)
            with pytest.raises(lf.InvalidArgument, match="each stream"):
                await store.append_all([lf.Write("Thing-a", counted(1)), lf.Write("Thing-a", counted(1))])
            assert await store.read_all() == []

    @scenario
    async def test_metadata_tags_and_times_are_kept(self, connect: Connect) -> None:
        async with connect() as store:
            tags = ["b:2", "a:1", 'quote"\\{}, ', "ü"]
            event = lf.NewEvent(Counted(1), occurred_at=day(5), tags=tags, metadata={"actor": "bob", "n": 2**70})
            with lf.with_metadata(actor="ann", correlation_id="c-1"):
                await store.append("Thing-a", [event, Counted(2)], metadata={"reason": "test"})
            first, second = await store.read("Thing-a")
            assert first.metadata == {"actor": "bob", "n": 2**70, "correlation_id": "c-1", "reason": "test"}
            assert second.metadata == {"actor": "ann", "correlation_id": "c-1", "reason": "test"}
            assert (first.id, set(first.tags), first.occurred_at) == (event.id, set(tags), day(5))
            assert second.tags == ()
            assert second.occurred_at == second.recorded_at == first.recorded_at
            assert first.recorded_at.utcoffset() == timedelta(0)

    @scenario
    async def test_recorded_at_never_decreases_within_a_stream(self, connect: Connect) -> None:
        async with connect() as store:
            for number in range(20):
                await store.append("Thing-a", counted(1, start=number))
            moments = [event.recorded_at for event in await store.read("Thing-a")]
            assert moments == sorted(moments)

    @scenario
    async def test_json_comes_back_byte_for_byte(self, connect: Connect) -> None:
        awkward = [
            b'{ "b" : 1.00,\n "a": [ ], "b": {} }',
            b'{"n":' + str(2**63).encode() + b"," + b'"m":-' + str(2**200).encode() + b"}",
            '{"text":"\\u0000 \\u00e9 é \U0001f600 \\/"}'.encode(),
            b"[" * 200 + b"]" * 200,
            b'"' + b"x" * 2**20 + b'"',
            b"null",
        ]
        async with connect() as store:
            await store.append("Thing-a", [lf.RawEvent("raw", data) for data in awkward])
            assert [event.data for event in await store.read("Thing-a")] == awkward
            assert [event.data for event in await store.read_all()] == awkward

    @scenario
    async def test_stored_events_cannot_be_changed(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", [lf.NewEvent(Counted(1), tags=["a:1"])])
            before = await store.read_all()
            for statement in _ways_to_change(store.table("events"), store.table("event_tags")):
                with pytest.raises(Exception, match="immutable"):
                    await store.execute(statement)
            assert await store.read_all() == before


def _ways_to_change(events: str, tags: str) -> list[str]:
    changes = [f"DELETE FROM {events}", f"DELETE FROM {tags}"]
    changes += [f"UPDATE {events} SET version = 7", f"UPDATE {tags} SET tag = 'x'"]
    if events.startswith("leftfold_"):
        return [*changes, f"INSERT OR REPLACE INTO {events} SELECT * FROM {events}"]
    return [*changes, f"TRUNCATE {events}", f"TRUNCATE {tags}"]
