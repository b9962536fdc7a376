"""The schema that the migrations add up to, as text: ``python -m tests.database.schema`` writes the files anew."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

import leftfold as lf
from leftfold.testing.postgres import Postgres, postgres_for_tests

FOLDER = Path(str(files("leftfold.database") / "schema"))


def sqlite_schema(folder: Path) -> str:
    """Every object of a new store, by name."""
    path = folder / "schema.db"
    lf.connect(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
        return "\n\n".join(f"{sql};" for (sql,) in rows) + "\n"
    finally:
        connection.close()


def postgresql_schema(server: Postgres) -> str:
    """What pg_dump says of a new store, without the chatter that differs between versions."""
    url = server.create_database()
    lf.connect(url).close()
    command = [str(server.bin / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept = [line for line in text.splitlines() if not re.match(r"(--|SET |SELECT pg_catalog|\\(un)?restrict)", line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (FOLDER / "sqlite.sql").write_text(sqlite_schema(Path(folder)), "utf-8")
    with postgres_for_tests() as server:
        (FOLDER / "postgresql.sql").write_text(postgresql_schema(server), "utf-8")


if __name__ == "__main__":
    main()
