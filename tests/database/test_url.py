"""A URL says where a store is; what it cannot mean is refused, and it never shows a password."""

from __future__ import annotations

from typing import Any

import pytest

import leftfold as lf
from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///bank.db", "bank.db"),
        ("sqlite:////var/lib/bank.db", "/var/lib/bank.db"),
        ("sqlite:///a%20b/%23.db", "a b/#.db"),
        ("sqlite:///a b.db", "a b.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_an_sqlite_file_or_memory(url: str, path: str | None) -> None:
    assert parse_url(url) == SqliteUrl(path)


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:/bank.db", "sqlite:bank.db", "sqlite://bank.db"])
def test_the_number_of_slashes_is_explained(url: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="an SQLite file takes three slashes"):
        parse_url(url)


def test_an_sqlite_url_says_what_a_commit_outlives() -> None:
    assert parse_url("sqlite:///bank.db?synchronous=full") == SqliteUrl("bank.db", "full")
    assert parse_url("sqlite:///bank.db?synchronous=normal") == SqliteUrl("bank.db", "normal")


@pytest.mark.parametrize("query", ["mode=ro", "synchronous=off", "synchronous=FULL", "synchronous", "", "a=1&b=2"])
def test_another_option_of_an_sqlite_url_is_refused(query: str) -> None:
    with pytest.raises(lf.InvalidArgument, match=f"has one option, synchronous=full .* found {query!r}"):
        parse_url(f"sqlite:///bank.db?{query}")


def test_a_database_in_memory_has_no_options() -> None:
    with pytest.raises(lf.InvalidArgument, match="in memory has no options, found 'synchronous=normal'"):
        parse_url("sqlite://?synchronous=normal")


def test_schema_and_pool_size_are_ours_and_the_rest_is_libpqs() -> None:
    place = parse_url("postgresql://ann@db/bank?schema=shop&sslmode=require&pool_size=3")
    assert place == PostgresqlUrl("postgresql://ann@db/bank?sslmode=require", "shop", 3)
    assert parse_url("postgres:///bank") == PostgresqlUrl("postgresql:///bank", "leftfold", 10)


@pytest.mark.parametrize(
    ("option", "value"),
    [("options=-c%20geqo%3Doff", "-c geqo=off"), ("password=a%2Bb%26c", "a+b&c"), ("password=a+b", "a+b")],
)
def test_libpq_gets_its_options_as_they_were_meant(option: str, value: str) -> None:
    import psycopg

    place = parse_url(f"postgresql://ann@db/bank?schema=shop&{option}&host=/run/pg")
    assert isinstance(place, PostgresqlUrl)
    understood = psycopg.conninfo.conninfo_to_dict(place.conninfo)
    assert (understood[option.partition("=")[0]], understood["host"]) == (value, "/run/pg")


@pytest.mark.parametrize("schema", ["", "Shop", "pg_shop", "7up", "a.b", 'a"b', "a" * 64])
def test_a_schema_that_could_mean_something_else_is_refused(schema: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="is no schema name: expected lower case letters"):
        parse_url(f"postgresql:///bank?schema={schema}")


@pytest.mark.parametrize("size", ["", "0", "1001", "-1", "many", "1.5"])
def test_a_pool_size_is_checked(size: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="pool_size is a number of connections from 1 to 1000"):
        parse_url(f"postgresql:///bank?pool_size={size}")


@pytest.mark.parametrize("url", ["", "bank.db", "mysql://db/bank", "http://x", 7, None])
def test_another_url_is_refused_with_examples(url: Any) -> None:
    with pytest.raises(lf.InvalidArgument, match=r"expected sqlite:///bank\.db, sqlite:// \(in memory\) or postgresql"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@db:5433/bank?pool_size=3",
        "postgresql://ann@db:5433/bank?password=s3cret",
        "postgresql://ann:s3cret%40x@db:5433/bank",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    assert str(parse_url(url)) == "postgresql://ann@db:5433/bank"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:s3cret@db/bank",
        "postgresql://ann:s3cret@[db/bank",
        "postgresql://ann:s3#cret@db/bank",
        "postgresql:ann:s3cret@db/bank",
        "postgresql://ann:s3cret@db/bank?schema=X",
        "postgresql://ann:s3cret@db/bank?pool_size=0",
    ],
)
def test_a_password_is_not_in_an_error_either(url: str) -> None:
    with pytest.raises(lf.InvalidArgument) as refused:
        parse_url(url)
    assert "s3" not in str(refused.value)


def test_a_place_is_shown_as_its_url() -> None:
    for url in (
        "sqlite:///bank.db",
        "sqlite:///bank.db?synchronous=normal",
        "sqlite://",
        "postgresql:///bank",
        "postgresql://db/bank",
        "postgresql://ann@/bank",
        "postgresql://ann@db/bank?schema=shop",
    ):
        assert str(parse_url(url)) == url
