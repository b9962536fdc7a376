"""Buckets: the database comes to the same as we do, or is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import leftfold as lf
from leftfold.doors.step import step
from leftfold.log import buckets
from leftfold.log.buckets import BUCKETS, SAMPLES, Buckets, bucket_in_sql, bucket_of_stream, tells_buckets
from leftfold.log.select import Range

registry = lf.Registry()


class Noted(lf.Event, registry=registry):
    number: int


STREAMS = [one for one in SAMPLES if one != "Thing-"] + [f"Note-{number}" for number in range(200)]


def test_postgresql_tells_the_bucket_of_any_stream(postgres_database: str) -> None:
    characters = st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('"\\/-\x1f\x7f\x80\u2028')
    with psycopg.connect(postgres_database) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("a server before 18 is not asked")

        @given(st.lists(st.text(characters, max_size=40).map(lambda id: f"Thing-{id}"), max_size=100))
        def check(streams: list[str]) -> None:
            sql = f"SELECT {bucket_in_sql('s')} FROM unnest(%s::text[]) WITH ORDINALITY u(s, number) ORDER BY number"
            told = [bucket for (bucket,) in connection.execute(sql, (streams,))]
            assert told == [bucket_of_stream(one) for one in streams]

        check()


@pytest.mark.parametrize(
    "query",
    [lf.Query.ALL, lf.Query.of(Noted, category="Note", registry=registry), lf.Query.of(tags=["t"])],
    ids=["everything", "type and category", "tag"],
)
def test_a_page_has_everything_of_its_buckets(store_url: str, query: lf.Query) -> None:
    with lf.connect(store_url, registry=registry) as store:
        fill(store)
        every = [one.stream for one in store.read_all(query)]
        leaves_out = store_url.startswith("postgresql") and step(tells(store))
        for first, beyond in pairwise([0, 5, 6, 40, BUCKETS]):
            for limit in (1, 7, 50, 1_000):
                pages = list(walk(store, query, (first, beyond - 1), limit))
                found = [one for page in pages for one in page]
                own = [one for one in every if first <= bucket_of_stream(one) < beyond]
                assert [one for one in found if first <= bucket_of_stream(one) < beyond] == own
                assert len(pages) == -(-len(every) // limit), "each page is as long a walk as ever"
                others = len(every) - len(own)
                assert len(found) - len(own) <= (len(pages) if leaves_out else others)


@pytest.mark.parametrize("sql", ["no_such_function({stream})", "length({stream})"], ids=["unknown", "other"])
def test_a_server_that_cannot_tell_them_is_not_asked(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(buckets, "bucket_in_sql", lambda stream: sql.format(stream=stream))
    with lf.connect(postgres_url, registry=registry) as store:
        fill(store)
        pages = list(walk(store, lf.Query.ALL, (0, 5), 1_000))
        assert pages == [[one.stream for one in store.read_all()]]


def fill(store: lf.EventStore) -> None:
    store.append_all(
        [lf.Write(one, [lf.NewEvent(Noted(number=number), tags=["t"])]) for number, one in enumerate(STREAMS)]
    )


def walk(store: lf.EventStore, query: lf.Query, part: Buckets, limit: int) -> Iterator[list[str]]:
    after, head = 0, store.head()
    while page := step(store._log.read_log_page(query, Range(after, head, limit, buckets=part))):
        yield [one.stream for one in page]
        after = page[-1].position


async def tells(store: lf.EventStore) -> bool:
    """Servers before 18 do not."""
    async with store._log.database.connection() as connection:
        return await tells_buckets(connection)
