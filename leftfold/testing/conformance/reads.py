"""What reading promises: every range and query in plain terms, whatever the back end does to be fast."""

from __future__ import annotations

import itertools
import random

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Connect, Door, scenario
from leftfold.testing.conformance.facts import Counted, counted, day, registry


class ReadChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    @scenario
    async def test_every_range_of_a_stream_is_what_slicing_gives(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(7))
            everything = await store.read("Thing-a")
            for after, until, limit, backwards in itertools.product(
                (0, 3, 9), (None, 0, 5), (None, 0, 2), (False, True)
            ):
                wanted = [event for event in everything if after < event.version <= (7 if until is None else until)]
                wanted = wanted[::-1][:limit] if backwards else wanted[:limit]
                found = await store.read("Thing-a", after=after, until=until, limit=limit, backwards=backwards)
                assert found == wanted

    @scenario
    async def test_an_unknown_stream_is_empty(self, connect: Connect) -> None:
        async with connect() as store:
            assert await store.read("Thing-none") == []
            assert await store.read_all() == []
            assert await store.head() == 0

    @scenario
    async def test_long_streams_come_in_pages_without_a_seam(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(1700))
            await store.append("Thing-b", counted(1300))
            forward = await store.read("Thing-a")
            assert [event.event.number for event in forward] == list(range(1, 1701))
            assert await store.read("Thing-a", backwards=True) == forward[::-1]
            assert [event.event.number for event in await store.read("Thing-a", after=3, limit=1200)] == list(
                range(4, 1204)
            )
            everything = await store.read_all()
            assert len(everything) == 3000
            assert await store.read_all(backwards=True) == everything[::-1]
            middle = everything[1500].position
            assert await store.read_all(after=middle) == everything[1501:]
            assert await store.read_all(until=middle) == everything[:1501]

    @scenario
    async def test_large_events_come_in_small_pages(self, connect: Connect) -> None:
        async with connect() as store:
            data = b'"' + b"x" * 2**20 + b'"'
            for _ in range(12):
                await store.append("Thing-a", [lf.RawEvent("large", data)])
            assert [len(event.data) for event in await store.read_all()] == [len(data)] * 12

    @scenario
    async def test_queries_mean_what_they_mean_in_plain_python(self, connect: Connect) -> None:
        chance = random.Random(7)
        async with connect() as store:
            for _ in range(120):
                await _append_something(store, chance)
            everything = await store.read_all()
            moments = sorted(event.recorded_at for event in everything)
            queries = [
                lf.Query.of(Counted, registry=registry),
                lf.Query.of("raw.a", "raw.b"),
                lf.Query.of("nothing"),
                lf.Query.of(tags=["t:1"]),
                lf.Query.of(tags=["t:1", "u:2"]),
                lf.Query.of("raw.a", tags=["t:0", "u:0"]),
                lf.Query.of(category="Thing"),
                lf.Query.of("raw.b", category="Thin"),
                lf.Query.of(category="Thing") | lf.Query.of("raw.a"),
                lf.Query.of("raw.a", tags=["t:2"]) | lf.Query.of(tags=["u:1"]) | lf.Query.of("raw.b", category="Thin"),
                lf.Query.of(occurred=(day(3), day(9))),
                lf.Query.of("raw.a", occurred=(None, day(9))) | lf.Query.of(category="Other", occurred=(day(9), None)),
                lf.Query.of(recorded=(moments[30], moments[60])),
                lf.Query.ALL | lf.Query.of("raw.a"),
            ]
            for query, after, limit, backwards in itertools.product(queries, (0, 40), (None, 7), (False, True)):
                bound = everything[after].position if after else 0
                wanted = [event for event in everything if event.position > bound and query.matches(event)]
                wanted = wanted[::-1][:limit] if backwards else wanted[:limit]
                assert await store.read_all(query, after=bound, limit=limit, backwards=backwards) == wanted

    @scenario
    async def test_an_event_of_no_known_class_can_be_passed_over(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", [lf.RawEvent("old.type", b'{"a":1}'), Counted(1)])
            await store.append("Thing-a", [lf.RawEvent("conformance.counted", b'{"number":"x"}')])
            await store.append("Thing-a", [lf.RawEvent("conformance.counted", b"{}", schema_version=9)])
            unknown, known, misfit, newer = await store.read("Thing-a")
            assert (unknown.type, unknown.data, known.event) == ("old.type", b'{"a":1}', Counted(1))
            with pytest.raises(lf.errors.UnknownEventType, match=r"old\.type"):
                assert unknown.event
            for broken in (misfit, newer):
                with pytest.raises(lf.errors.DecodeError) as failed:
                    assert broken.event
                assert failed.value.position == broken.position

    @scenario
    async def test_bounds_that_make_no_sense_are_refused(self, connect: Connect) -> None:
        async with connect() as store:
            for bounds in ({"after": -1}, {"limit": -1}, {"until": 1.5}, {"after": True}, {"after": 2**63}):
                with pytest.raises(lf.InvalidArgument):
                    await store.read("Thing-a", **bounds)
                with pytest.raises(lf.InvalidArgument):
                    await store.read_all(**bounds)

    @scenario
    async def test_names_are_told_apart_by_every_character(self, connect: Connect) -> None:
        names = [
            "Thing-a",
            "Thing-A",
            "thing-a",
            "Thing-a ",
            "Thing-\u00e4",
            "Thing-a\u0308",
            "Thing-%",
            "Thing-_",
            "Thing-a-b",
        ]
        names.append("日-本")
        async with connect() as store:
            for number, name in enumerate(names):
                await store.append(name, counted(1, start=number), expected=lf.NO_STREAM)
            for number, name in enumerate(names):
                [only] = await store.read(name)
                assert (only.event.number, only.stream) == (number, name)
            [last] = await store.read_all(lf.Query.of(category="日"))
            assert (last.category, last.stream_id) == ("日", "本")


async def _append_something(store: Door, chance: random.Random) -> None:
    stream = f"{chance.choice(['Thing', 'Thin', 'Things', 'Other'])}-{chance.randrange(4)}"
    payload = chance.choice([Counted(1), lf.RawEvent("raw.a", b"1"), lf.RawEvent("raw.b", b"2")])
    tags = chance.sample(["t:0", "t:1", "t:2", "u:0", "u:1", "u:2"], chance.randrange(4))
    occurred_at = day(chance.randrange(1, 15)) if chance.random() < 0.7 else None
    await store.append(stream, [lf.NewEvent(payload, tags=tags, occurred_at=occurred_at)])
