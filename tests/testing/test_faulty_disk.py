"""The disks that fail for tests: they fail what they are told to, only there, and forget only what was not flushed."""

from __future__ import annotations

import random
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

import leftfold as lf
from leftfold.testing import vfs
from leftfold.testing.conformance.facts import counted, registry
from leftfold.testing.faulty_disk import Disk, FailingDisk, VolatileDisk, interposed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
def test_an_append_that_fails_at_any_operation_is_stored_whole_or_not_at_all(folder: Path, code: int) -> None:
    url, disk = f"sqlite:///{folder}/store.db", FailingDisk()
    appended = []
    with interposed(disk, folder), lf.connect(url, registry=registry) as store:
        for after in range(100):
            appended.append(counted(3))
            disk.fail(code, after=after)
            failures = disk.failures
            with suppress(lf.StoreUnavailable):
                store.append("Thing-a", appended[-1])
            disk.heal()
            store.append("Thing-a", appended[-1])
            if disk.failures == failures:
                break
        assert disk.failures >= 5
        stored = list(store.read("Thing-a"))
    assert [event.id for event in stored] == [fact.id for facts in appended for fact in facts]
    assert [event.version for event in stored] == list(range(1, len(stored) + 1))


def test_a_full_disk_is_told_and_reading_goes_on_until_there_is_room(folder: Path) -> None:
    disk = FailingDisk()
    with interposed(disk, folder), lf.connect(f"sqlite:///{folder}/store.db", registry=registry) as store:
        store.append("Thing-a", counted(1))
        disk.fail(sqlite3.SQLITE_FULL, times=None)
        for _ in range(3):
            with pytest.raises(lf.StoreUnavailable, match="cannot grow: the disk is full"):
                store.append("Thing-a", counted(1))
        assert [event.version for event in store.read("Thing-a")] == [1]
        disk.heal()
        assert store.append("Thing-a", counted(1), expected=1).version == 2


def test_files_elsewhere_stand_on_the_real_disk(folder: Path, tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.fail(sqlite3.SQLITE_IOERR, times=None, kinds=("create", "write", "flush"))
    with interposed(disk, folder):
        with lf.connect(f"sqlite:///{tmp_path}/elsewhere.db", registry=registry) as store:
            store.append("Thing-a", counted(1))
        with pytest.raises(lf.StoreUnavailable, match="I/O error"):
            lf.connect(f"sqlite:///{folder}/store.db")
    with lf.connect(f"sqlite:///{folder}/store.db", registry=registry) as store:
        store.append("Thing-a", counted(1))
    assert disk.failures == disk.operations == 1


def test_what_was_flushed_is_what_the_real_disk_holds(folder: Path, tmp_path: Path) -> None:
    """The model of the disk against the disk itself, after a good end, when nothing waits to be flushed."""
    left = tmp_path / "left"
    left.mkdir()
    disk = VolatileDisk(folder, cut_at=10**9)
    with interposed(disk, folder):
        for _ in range(3):
            with lf.connect(f"sqlite:///{folder}/store.db", registry=registry) as store:
                for _ in range(50):
                    store.append("Thing-a", counted(5))
    disk.leave(left, random.Random(1))
    assert disk.operations > 150
    assert (left / "store.db").read_bytes() == (folder / "store.db").read_bytes()


def test_what_was_not_flushed_may_be_gone_torn_or_there(folder: Path, tmp_path: Path) -> None:
    old, new = b"o" * 2048, b"n" * 2048
    (folder / "file").write_bytes(old)
    disk = VolatileDisk(folder, cut_at=10**9)
    path = str(folder / "file")
    disk.write(path, 0, new)
    found = set()
    for seed in range(50):
        disk.leave(tmp_path, random.Random(seed))
        found.add((tmp_path / "file").read_bytes())
    assert {old, new} < found
    disk.flush(path)
    disk.leave(tmp_path, random.Random(0))
    assert (tmp_path / "file").read_bytes() == new


def test_after_the_cut_nothing_is_acknowledged_any_more(folder: Path) -> None:
    disk = VolatileDisk(folder, cut_at=100)
    with interposed(disk, folder), lf.connect(f"sqlite:///{folder}/store.db", registry=registry) as store:
        with suppress(lf.StoreUnavailable):
            while not disk.is_cut:
                store.append("Thing-a", counted(1))
        for _ in range(3):
            with pytest.raises(lf.StoreUnavailable, match="I/O error"):
                store.append("Thing-a", counted(1))


def test_a_mistake_in_a_disk_is_not_swallowed(folder: Path) -> None:
    class Mistaken(Disk):
        def create(self, path: str) -> int:
            raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError, match="a mistake"), interposed(Mistaken(), folder):
        lf.connect(f"sqlite:///{folder}/store.db")


def test_an_sqlite_that_cannot_be_reached_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vfs, "_libraries", lambda: iter([]))
    with pytest.raises(lf.NotSupported, match="hides its functions"), interposed(Disk(), folder):
        pass
