"""Disks that misbehave, for stores on SQLite: `FailingDisk` fails operations, `VolatileDisk` forgets unflushed writes.

::

    disk = FailingDisk()
    with interposed(disk, folder), lf.connect(f"sqlite:///{folder}/store.db") as store:
        disk.fail(sqlite3.SQLITE_FULL, after=3)
        ...
        disk.heal()
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from sqlite3 import SQLITE_IOERR
from typing import Literal

from leftfold.testing.vfs import OK, Disk, interposed

__all__ = ["Disk", "FailingDisk", "VolatileDisk", "interposed"]

Kind = Literal["create", "write", "truncate", "flush", "delete"]
SECTOR = 512
"""Bytes; what a disk writes in one piece, at best."""
_LONGEST_WAIT = 200


class FailingDisk(Disk):
    """Works until told to fail. ``operations`` counts what was asked of it, ``failures`` what it refused."""

    def __init__(self) -> None:
        self.operations = 0
        self.failures = 0
        self._lock = threading.Lock()
        self.heal()

    def fail(
        self, code: int, *, after: int = 0, times: int | None = 1, kinds: Collection[Kind] = ("write", "flush")
    ) -> None:
        """Let ``after`` operations of these kinds through and fail the next ``times`` (None: until `heal`).

        ``code`` is the error that SQLite sees: ``sqlite3.SQLITE_FULL`` for a full disk, ``SQLITE_IOERR`` or an extended
        code of it for a broken disk.
        """
        with self._lock:
            self._code, self._after, self._kinds = code, after, frozenset(kinds)
            self._times = times

    def heal(self) -> None:
        """Fail no more."""
        self.fail(OK, times=0)

    def create(self, path: str) -> int:
        return self._answer("create")

    def write(self, path: str, offset: int, data: bytes) -> int:
        return self._answer("write")

    def truncate(self, path: str, size: int) -> int:
        return self._answer("truncate")

    def flush(self, path: str) -> int:
        return self._answer("flush")

    def delete(self, path: str, flushed: bool) -> int:
        return self._answer("delete")

    def _answer(self, kind: Kind) -> int:
        with self._lock:
            self.operations += 1
            if self._times == 0 or kind not in self._kinds:
                return OK
            if self._after:
                self._after -= 1
                return OK
            if self._times is not None:
                self._times -= 1
            self.failures += 1
            return self._code


@dataclass(slots=True)
class _Content:
    """What a file holds on the disk for sure, and what was done to it since: bytes at an offset, or a new size."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def flush(self) -> None:
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()


class VolatileDisk(Disk):
    """Keeps what is written in a cache, and loses the cache when the power goes.

    The power goes at operation number ``cut_at``, or (``at_flush``) at the next flush within 200 operations. That
    operation and all later operations fail, so nothing can be acknowledged any more. `leave` writes what a restart may
    find: everything flushed, and a random part of the rest, torn at the borders of sectors, some sectors scrambled.
    Names appear and vanish in order, as journaling file systems have it, and for sure only once flushed. The files that
    ``folder`` holds already are durable. The model is what SQLite itself assumes
    (https://sqlite.org/atomiccommit.html, section 2, with powersafe overwrite).
    """

    def __init__(self, folder: Path, cut_at: int, *, at_flush: bool = False) -> None:
        self.is_cut = False
        """Whether the power is gone."""
        self.operations = 0
        self.flushes: Counter[str] = Counter()
        """How often each file was flushed, by name."""
        self._cut_at = cut_at
        self._at_flush = at_flush
        self._lock = threading.Lock()
        files = [path for path in folder.resolve().iterdir() if not path.name.endswith("-shm")]
        self._durable_names = {str(path): _Content(bytearray(path.read_bytes())) for path in files}
        self._names = dict(self._durable_names)
        self._renaming: list[tuple[str, _Content | None]] = []  # names made (with their file) or removed, not flushed

    def create(self, path: str) -> int:
        with self._lock:
            return self._named(path, _Content())

    def write(self, path: str, offset: int, data: bytes) -> int:
        with self._lock:
            return self._changed(path, offset, data)

    def truncate(self, path: str, size: int) -> int:
        with self._lock:
            return self._changed(path, size, None)

    def flush(self, path: str) -> int:
        with self._lock:
            if self._goes_dark(flushing=True):
                return SQLITE_IOERR
            content = self._names[path]
            content.flush()
            self.flushes[Path(path).name] += 1
            made = [number for number, (_, made) in enumerate(self._renaming, start=1) if made is content]
            self._rename(max(made, default=0))
            return OK

    def delete(self, path: str, flushed: bool) -> int:
        with self._lock:
            answer = self._named(path, None)
            if answer == OK and flushed:
                self._rename(len(self._renaming))
            return answer

    def leave(self, folder: Path, chance: random.Random) -> None:
        """Write into ``folder`` what is found after a power cut now."""
        names = dict(self._durable_names)
        for path, content in self._renaming[: chance.randint(0, len(self._renaming))]:
            _rename(names, path, content)
        kept = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0, 1.0])
        for path, content in names.items():
            (folder / Path(path).name).write_bytes(_survived(content, kept, chance))

    def _goes_dark(self, *, flushing: bool = False) -> bool:
        """Count an operation; whether it finds no power."""
        self.operations += 1
        late = self.operations - self._cut_at
        if late >= 0 and (flushing or not self._at_flush or late > _LONGEST_WAIT):
            self.is_cut = True
        return self.is_cut

    def _changed(self, path: str, offset: int, data: bytes | None) -> int:
        was_cut = self.is_cut
        dark = self._goes_dark()
        if not was_cut:  # the change that is under way when the power goes may be found too
            self._names[path].pending.append((offset, data))
        return SQLITE_IOERR if dark else OK

    def _named(self, path: str, content: _Content | None) -> int:
        if self._goes_dark():
            return SQLITE_IOERR
        self._renaming.append((path, content))
        _rename(self._names, path, content)
        return OK

    def _rename(self, count: int) -> None:
        """The first so many changes of names are durable now."""
        for path, content in self._renaming[:count]:
            _rename(self._durable_names, path, content)
        del self._renaming[:count]


def _rename(names: dict[str, _Content], path: str, content: _Content | None) -> None:
    if content is None:
        names.pop(path, None)
    else:
        names[path] = content


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write bytes, or (None) cut or extend to a size."""
    end = offset if data is None else offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def _survived(content: _Content, kept: float, chance: random.Random) -> bytes:
    """The durable bytes, and of each later change a part."""
    found = bytearray(content.durable)
    for offset, data in content.pending:
        if data is None:
            if chance.random() < kept:
                _apply(found, offset, None)
            continue
        end = offset + len(data)
        borders = [offset, *range(offset - offset % SECTOR + SECTOR, end, SECTOR), end]
        for start, stop in pairwise(borders):
            if chance.random() < kept:
                _apply(found, start, data[start - offset : stop - offset])
            elif chance.random() < 0.05:  # it was under way
                _apply(found, start, chance.randbytes(stop - start))
    return bytes(found)
