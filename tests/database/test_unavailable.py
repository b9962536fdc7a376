"""A database that cannot be used says so in one readable error, which names the place and what to do."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

import leftfold as lf


def refused(url: str, match: str) -> None:
    """Both doors refuse, in the same words."""
    with pytest.raises(lf.StoreUnavailable, match=match):
        lf.connect(url)

    async def open_async() -> None:
        with pytest.raises(lf.StoreUnavailable, match=match):
            await lf.connect_async(url).open()

    asyncio.run(open_async())


def test_an_unreachable_server() -> None:
    refused("postgresql://nobody@127.0.0.1:1/none", r"127\.0\.0\.1:1/none.*is the server running")


def test_a_database_that_does_not_exist(postgres_database: str) -> None:
    refused(urlsplit(postgres_database)._replace(path="/nowhere").geturl(), '"nowhere" does not exist.*check')


def test_a_wrong_password_is_never_shown(postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS nologin_user")
        connection.execute("CREATE ROLE nologin_user NOLOGIN PASSWORD 'right'")
    parts = urlsplit(postgres_database)
    wrong = parts._replace(netloc=f"nologin_user:secret@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(lf.StoreUnavailable, match="not permitted to log in") as error:
        lf.connect(wrong)
    assert "secret" not in str(error.value)


def test_a_user_who_may_not_create_the_schema(postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS visitor")
        connection.execute("CREATE ROLE visitor LOGIN")
    parts = urlsplit(postgres_database)
    refused(
        parts._replace(netloc=f"visitor@{parts.hostname}:{parts.port}").geturl() + "?schema=visited",
        "permission.*grant",
    )


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path}/none/store.db", "cannot be opened.*folder exists")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path}", "cannot be opened")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not an SQLite file, it is a text of more than a hundred bytes " * 3)
    refused(f"sqlite:///{tmp_path}/text.db", r"text\.db is not an SQLite database")


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    with lf.connect(f"sqlite:///{path}") as store:
        store.append("Thing-a", [lf.RawEvent("x", b'"' + b"y" * 100_000 + b'"')])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(lf.StoreUnavailable, match="damaged"), lf.connect(f"sqlite:///{path}") as store:
        list(store.read_all())


def test_a_file_that_another_connection_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leftfold.database.sqlite.database.BUSY_SECONDS", 0.1)
    path = tmp_path / "locked.db"
    with lf.connect(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(lf.StoreUnavailable, match=r"locked\.db is locked"):
            store.append("Thing-a", [lf.RawEvent("x", b"1")])
        other.execute("ROLLBACK")
        other.close()
        assert store.append("Thing-a", [lf.RawEvent("x", b"1")]).version == 1


def test_a_closed_store_says_so(store_url: str) -> None:
    store = lf.connect(store_url)
    store.close()
    store.close()
    with pytest.raises(lf.StoreUnavailable, match="is closed"):
        store.head()


def test_a_missing_extra_names_the_pip_line() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None; import leftfold as lf\n"
        "try: lf.connect('postgresql://localhost/x')\n"
        "except lf.errors.MissingExtra as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "pip install 'leftfold[postgres]'" in said


def test_a_database_in_another_encoding_is_refused(postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(lf.NotSupported, match=r"LATIN1.*UTF8"):
        lf.connect(urlsplit(postgres_database)._replace(path="/latin").geturl())
