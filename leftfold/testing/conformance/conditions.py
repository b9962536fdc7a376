"""What an append on condition promises: judged last, against everything that is committed, and only there."""

from __future__ import annotations

from datetime import timedelta

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Connect, Door, scenario
from leftfold.testing.conformance.facts import Counted, Enrolled, an_append, counted, day, registry, tagged

STUDENT = lf.Query.of(tags=["student:7"])


async def holds(store: Door, condition: lf.AppendCondition) -> bool:
    """Whether a condition holds now, found out without writing anything."""
    try:
        await store.append("Nothing-1", [], condition=condition)
    except lf.ConditionFailed:
        return False
    return True


class ConditionChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    @scenario
    async def test_a_condition_fails_on_an_event_that_it_did_not_know_of(self, connect: Connect) -> None:
        async with connect() as store:
            first = await store.append("Course-1", tagged("student:7", "course:1"))
            await store.append("Course-2", tagged("student:8", "course:2"))
            condition = lf.AppendCondition(STUDENT)
            with pytest.raises(lf.ConditionFailed) as failed:
                await store.append("Course-3", tagged("student:7"), condition=condition)
            assert (failed.value.condition, failed.value.position) == (condition, first.position)
            assert await store.read("Course-3") == []
            stored = await store.append(
                "Course-3", tagged("student:7"), condition=lf.AppendCondition(STUDENT, after=first.position)
            )
            assert (stored.version, stored.duplicate) == (1, False)
            second = await store.append(
                "Course-3",
                tagged("student:7"),
                condition=lf.AppendCondition(STUDENT, 0, [first.position, stored.position]),
            )
            assert second.version == 2
            assert not await holds(store, lf.AppendCondition(STUDENT, 0, [first.position, stored.position]))

    @scenario
    async def test_repetitions_are_judged_before_versions_and_versions_before_the_condition(
        self, connect: Connect
    ) -> None:
        async with connect() as store:
            known = tagged("student:7")
            never = lf.AppendCondition(STUDENT)
            first = await store.append("Course-1", known, expected=lf.NO_STREAM, condition=never)
            again = await store.append("Course-1", known, expected=lf.NO_STREAM, condition=never)
            assert again == lf.AppendResult(first.version, first.position, duplicate=True)
            with pytest.raises(lf.DuplicateEvent):
                await store.append("Course-1", [*known, *counted(1)], expected=7, condition=never)
            with pytest.raises(lf.ConcurrencyError) as conflict:
                await store.append("Course-1", counted(1), expected=7, condition=never)
            assert conflict.value.actual == 1
            with pytest.raises(lf.ConditionFailed):
                await store.append("Course-1", counted(1), expected=1, condition=never)
            assert len(await store.read_all()) == 1

    @scenario
    async def test_a_condition_may_be_over_anything_that_a_query_says(self, connect: Connect) -> None:
        async with connect() as store:
            happened = lf.NewEvent(Counted(1), tags=["student:7", "course:1"], occurred_at=day(5))
            at = (await store.append("Thing-a", [happened])).position
            [stored] = await store.read("Thing-a")
            recorded, tick = stored.recorded_at, timedelta(microseconds=1)
            matching = [
                lf.Query.ALL,
                lf.Query.of(Counted, registry=registry),
                lf.Query.of("nothing", Counted, registry=registry),
                lf.Query.of(tags=["course:1", "student:7"]),
                lf.Query.of(Counted, tags=["student:7"], registry=registry),
                lf.Query.of(category="Thing"),
                lf.Query.of(occurred=(day(5), day(5))),
                lf.Query.of(Counted, occurred=(None, day(5)), registry=registry),
                lf.Query.of(tags=["course:1"], recorded=(recorded, None), category="Thing"),
                lf.Query.of("nothing") | lf.Query.of(tags=["none"]) | lf.Query.of(category="Thing"),
            ]
            others = [
                lf.Query.of("nothing"),
                lf.Query.of(tags=["student:7", "course:2"]),
                lf.Query.of("nothing", tags=["student:7"]),
                lf.Query.of(tags=["student:"]),
                lf.Query.of(category="Thin"),
                lf.Query.of(occurred=(day(5) + tick, None)),
                lf.Query.of(Counted, occurred=(None, day(5) - tick), registry=registry),
                lf.Query.of(tags=["course:1"], recorded=(None, recorded - tick)),
                lf.Query.of("nothing") | lf.Query.of(tags=["none"]) | lf.Query.of(category="Thin"),
            ]
            for query in matching:
                assert not await holds(store, lf.AppendCondition(query)), query
                assert not await holds(store, lf.AppendCondition(query, at - 1)), query
                assert await holds(store, lf.AppendCondition(query, at)), query
                assert await holds(store, lf.AppendCondition(query, at - 1, [at])), query
            for query in others:
                assert await holds(store, lf.AppendCondition(query)), query

    @scenario
    async def test_in_a_batch_a_condition_counts_what_came_before_it_and_not_what_came_after(
        self, connect: Connect
    ) -> None:
        def unless(tag: str) -> lf.AppendCondition:
            return lf.AppendCondition(lf.Query.of(tags=[tag]))

        async with connect() as store:
            outcomes = await store.append_batch(
                [
                    an_append("Course-1", tagged("student:9"), condition=unless("student:7")),
                    an_append("Course-2", tagged("student:7")),
                    an_append("Course-3", tagged("student:8"), condition=unless("student:7")),
                    an_append("Course-4", counted(1), condition=unless("student:8")),
                    an_append("Course-5", tagged("student:1", "course:5"), condition=unless("student:1")),
                    an_append("Course-6", [], condition=unless("course:5")),
                    an_append("Course-7", counted(1), 7, unless("course:5")),
                    an_append("Course-8", counted(1), condition=lf.AppendCondition(lf.Query.ALL)),
                ]
            )
            places = {event.stream: event.position for event in await store.read_all()}
            assert sorted(places) == ["Course-1", "Course-2", "Course-4", "Course-5"]
            assert isinstance(outcomes[6], lf.ConcurrencyError)
            failing = {2: places["Course-2"], 5: places["Course-5"], 7: min(places.values())}
            for number, outcome in enumerate(outcomes):
                if number in failing:
                    assert isinstance(outcome, lf.ConditionFailed)
                    assert outcome.position == failing[number]
                elif number != 6:
                    assert outcome == lf.AppendResult(1, places[f"Course-{number + 1}"])

    @scenario
    async def test_several_streams_are_written_on_one_condition_or_not_at_all(self, connect: Connect) -> None:
        async with connect() as store:
            before = await store.decision(STUDENT)
            writes = [lf.Write("Course-1", tagged("student:7")), lf.Write("Student-7", counted(2), lf.NO_STREAM)]
            results = await store.append_all(writes, condition=before.condition)
            assert [result.version for result in results] == [1, 2]
            again = await store.append_all(writes, condition=before.condition)
            assert [(result.version, result.position, result.duplicate) for result in again] == [
                (result.version, result.position, True) for result in results
            ]
            others = [lf.Write("Course-2", counted(1)), lf.Write("Course-3", tagged("student:7"))]
            with pytest.raises(lf.ConditionFailed):
                await store.append_all(others, condition=before.condition)
            assert len(await store.read_all()) == 3
            await store.append_all(others, condition=(await store.decision(STUDENT)).condition)
            assert len(await store.read_all()) == 5

    @scenario
    async def test_a_condition_is_judged_even_when_there_is_nothing_to_write(self, connect: Connect) -> None:
        async with connect() as store:
            stored = await store.append("Course-1", tagged("student:7"))
            for condition, fails in (
                (lf.AppendCondition(STUDENT), True),
                (lf.AppendCondition(STUDENT, after=stored.position), False),
                (lf.AppendCondition(STUDENT, seen=[stored.position]), False),
            ):
                if fails:
                    with pytest.raises(lf.ConditionFailed):
                        await store.append("Course-1", [], condition=condition)
                    with pytest.raises(lf.ConditionFailed):
                        await store.append_all([lf.Write("Course-1", [])], condition=condition)
                    with pytest.raises(lf.ConditionFailed) as failed:
                        await store.append_all([], condition=condition)
                    assert failed.value.position == stored.position
                else:
                    assert await store.append("Course-1", [], condition=condition) == stored
                    assert await store.append_all([lf.Write("Course-1", [])], condition=condition) == [stored]
                    assert await store.append_all([], condition=condition) == []

    @scenario
    async def test_tags_that_fields_declare_are_tags_like_those_given(self, connect: Connect) -> None:
        async with connect() as store:
            enrolled = lf.NewEvent(Enrolled(7, ["b", "a"]), tags=["term:1", "course:a"])
            first = await store.append("Course-1", [Enrolled(8, []), enrolled])
            [stored] = await store.read_all(STUDENT)
            assert stored.tags == ("course:a", "course:b", "student:7", "term:1")
            assert (stored.position, stored.event) == (first.position, Enrolled(7, ["b", "a"]))
            assert (await store.append("Course-1", [enrolled], expected=1)).duplicate
            for tag in stored.tags:
                decision = await store.decision(lf.Query.of(Enrolled, tags=[tag], registry=registry))
                assert list(decision.events) == [stored]
                assert not await holds(store, lf.AppendCondition(lf.Query.of(tags=[tag])))
            condition = (await store.decision(STUDENT)).condition
            await store.append_all([lf.Write("Course-2", [Enrolled(7, ["c"])])], condition=condition)
            with pytest.raises(lf.ConditionFailed):
                await store.append("Course-1", [Enrolled(7, ["d"])], condition=condition)

    @scenario
    async def test_its_own_events_do_not_fail_a_condition(self, connect: Connect) -> None:
        async with connect() as store:
            condition = lf.AppendCondition(STUDENT | lf.Query.of(Counted, registry=registry))
            await store.append(
                "Course-1", [*tagged("student:7"), *tagged("student:7", "course:1")], condition=condition
            )
            assert len(await store.read("Course-1")) == 2

    @scenario
    async def test_a_decision_rests_on_every_matching_event(self, connect: Connect) -> None:
        async with connect() as store:
            for number in range(1300):
                if number % 130 == 0:
                    await store.append("Course-1", tagged("student:7", number=number))
            await store.append("Course-2", tagged("student:8") + counted(700))
            decision = await store.decision(STUDENT)
            assert [event.event.number for event in decision.events] == list(range(0, 1300, 130))
            assert list(decision.events) == await store.read_all(STUDENT)
            await store.append("Course-2", tagged("student:8"))
            assert await holds(store, decision.condition)
            late = await store.append("Course-2", tagged("student:7"))
            with pytest.raises(lf.ConditionFailed) as failed:
                await store.append("Course-1", tagged("student:7"), condition=decision.condition)
            assert failed.value.position == late.position
            everything = await store.decision(lf.Query.ALL)
            assert list(everything.events) == await store.read_all()
            nothing = await store.decision(lf.Query.of(tags=["student:9"]))
            assert nothing.events == ()
            assert await holds(store, nothing.condition)

    @scenario
    async def test_a_condition_that_makes_no_sense_is_refused(self, connect: Connect) -> None:
        async with connect() as store:
            for condition in (STUDENT, {"unless": STUDENT}, "student:7", True):
                with pytest.raises(lf.InvalidArgument, match="AppendCondition"):
                    await store.append("Course-1", counted(1), condition=condition)
                with pytest.raises(lf.InvalidArgument, match="AppendCondition"):
                    await store.append_all([lf.Write("Course-1", counted(1))], condition=condition)
            for query in ("student:7", None, [STUDENT]):
                with pytest.raises(lf.InvalidArgument, match="query"):
                    lf.AppendCondition(query)  # type: ignore[arg-type]
                with pytest.raises(lf.InvalidArgument, match="query"):
                    await store.decision(query)  # type: ignore[arg-type]
            for name, value in (("after", -1), ("after", 2**63), ("after", True), ("after", None), ("after", "1")):
                with pytest.raises(lf.InvalidArgument, match=name):
                    lf.AppendCondition(STUDENT, **{name: value})  # type: ignore[arg-type]
            for seen in ("12", 7, [-1], [1.5], [None], [2**63]):
                with pytest.raises(lf.InvalidArgument, match="seen"):
                    lf.AppendCondition(STUDENT, seen=seen)  # type: ignore[arg-type]
            assert await store.read_all() == []
