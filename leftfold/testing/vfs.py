"""A hook between SQLite and the disk: a VFS made with ctypes, so that no compiler is needed.

SQLite does its file work through a table of functions, the VFS (https://sqlite.org/vfs.html). `interposed` registers a
copy of the default one as the new default of this process. Files in one folder get a few functions of ours, which ask a
`Disk` before each operation and then call the original; every other file, all locks and the shared memory of WAL stay
SQLite's own. So the library, the connections and the processes are real, and only the disk does as a test says.
"""

from __future__ import annotations

import _sqlite3
import ctypes.util
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast, memmove, pointer
from itertools import count
from pathlib import Path
from typing import Any

from leftfold.errors import NotSupported

OK = sqlite3.SQLITE_OK


class Disk:
    """What a disk answers to each operation on a file: `OK` to let it through, or an SQLite error code to fail it.

    This one lets everything through. Paths are absolute. The methods are called by whatever threads use SQLite.
    """

    def create(self, path: str) -> int:
        """A file comes into being. Its name is durable once the file is flushed."""
        return OK

    def write(self, path: str, offset: int, data: bytes) -> int:
        """Bytes are written from ``offset`` on."""
        return OK

    def truncate(self, path: str, size: int) -> int:
        """The file gets ``size`` bytes."""
        return OK

    def flush(self, path: str) -> int:
        """What was written to the file becomes durable (fsync)."""
        return OK

    def delete(self, path: str, flushed: bool) -> int:
        """The file is removed; ``flushed``: and that is made durable at once."""
        return OK


_MAY_CREATE = 4  # SQLITE_OPEN_CREATE
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
# Paths go through as bare pointers: SQLite keeps them, and reads on behind their end.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)


def _addresses(names: str) -> list[tuple[str, Any]]:
    return [(name, c_void_p) for name in names.split()]


class _Vfs(Structure):
    """``sqlite3_vfs``, version 3."""

    _fields_ = [
        *[(name, c_int) for name in ("version", "file_size", "longest_path")],
        ("next", c_void_p),
        ("name", c_char_p),
        *_addresses("data open delete access full_path dl_open dl_error dl_sym dl_close"),
        *_addresses("randomness sleep time last_error time_64 set_call get_call next_call"),
    ]
    ends = {1: "time_64", 2: "set_call"}


class _Methods(Structure):
    """``sqlite3_io_methods``, version 3: what can be done with an open file."""

    _fields_ = [
        ("version", c_int),
        *_addresses("close read write truncate sync size lock unlock check_lock control sector_size characteristics"),
        *_addresses("shm_map shm_lock shm_barrier shm_unmap fetch unfetch"),
    ]
    ends = {1: "shm_map", 2: "fetch"}


class _File(Structure):
    """``sqlite3_file``, as far as every program may look into it."""

    _fields_ = [("methods", POINTER(_Methods))]


_kept: list[object] = []
"""What SQLite holds pointers to. Connections may outlive everything here, so nothing of it is ever freed."""
_names = count(1)


@contextmanager
def interposed(disk: Disk, folder: Path) -> Iterator[None]:
    """Every SQLite file opened in a folder (or below) by this process meanwhile stands on ``disk``.

    `NotSupported` if the SQLite inside this Python cannot be reached. What a method of ``disk`` raises fails the
    operation as an I/O error, and is raised at the end.
    """
    library, vfs, former = _register()
    hooks = _Hooks(disk, str(folder.resolve()), former)
    vfs.open, vfs.delete = hooks.vfs_functions()
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(pointer(vfs))
        library.sqlite3_vfs_register(former, 1)
        if hooks.raised:
            raise hooks.raised[0]


def _register() -> tuple[Any, _Vfs, Any]:
    """The library that this Python's sqlite3 uses, the new default VFS in it, and the one before."""
    for library in _libraries():
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        former = library.sqlite3_vfs_find(None)
        vfs: _Vfs = _copied(former.contents)
        name = f"leftfold-{next(_names)}"
        vfs.name = name.encode()
        _kept.append(vfs)
        library.sqlite3_vfs_register(pointer(vfs), 1)
        if _knows(name):
            return library, vfs, former
        library.sqlite3_vfs_unregister(pointer(vfs))
        library.sqlite3_vfs_register(former, 1)
    raise NotSupported(
        "the SQLite inside this Python hides its functions (sqlite3_vfs_register), so its disk cannot be made to fail: "
        "use a Python that is linked with the system's SQLite library, as the official images and pyenv have it"
    )


def _libraries() -> Iterator[Any]:
    """Where that library may be: in the extension module or what it is linked with, in the program, in the system."""
    places = [getattr(_sqlite3, "__file__", None), None, ctypes.util.find_library("sqlite3")]
    for number, place in enumerate(places):
        if place is None and number != 1:
            continue
        try:
            library = CDLL(place)
        except (OSError, TypeError):  # Windows has no handle for the whole program
            continue
        if hasattr(library, "sqlite3_vfs_register"):
            yield library


def _knows(name: str) -> bool:
    """Whether Python's sqlite3 finds a VFS: the proof that it was registered in the same copy of the library."""
    try:
        sqlite3.connect(f"file:probe?mode=memory&vfs={name}", uri=True).close()
    except sqlite3.OperationalError:
        return False
    return True


def _copied(original: Any) -> Any:
    """A structure of functions again, as much of it as its version has."""
    kind = type(original)
    end = kind.ends.get(original.version)
    copy = kind()
    memmove(pointer(copy), pointer(original), getattr(kind, end).offset if end else ctypes.sizeof(kind))
    return copy


class _Hooks:
    """Our functions, and which open file is which."""

    def __init__(self, disk: Disk, folder: str, vfs: Any) -> None:
        self.raised: list[BaseException] = []
        self._disk = disk
        self._folder = folder.rstrip(os.sep) + os.sep
        self._vfs = vfs
        self._open = _OPEN(vfs.contents.open)
        self._delete = _DELETE(vfs.contents.delete)
        self._paths: dict[int, str] = {}
        self._methods: dict[int, _Methods] = {}

    def vfs_functions(self) -> tuple[int | None, int | None]:
        """Addresses for xOpen and xDelete."""
        return self._callback(_OPEN, self._on_open), self._callback(_DELETE, self._on_delete)

    def _on_open(self, _: int, name: int | None, file: int, flags: int, flags_out: Any) -> int:
        path = self._ours(name)
        made = path is not None and flags & _MAY_CREATE and not os.path.exists(path)
        if made and path is not None and (answer := self._disk.create(path)):
            return answer
        done: int = self._open(self._vfs, name, file, flags, flags_out)
        if done == OK and path is not None:
            opened = cast(file, POINTER(_File)).contents
            address = cast(opened.methods, c_void_p).value or 0
            if address not in self._methods:
                self._methods[address] = self._hooked(opened.methods.contents)
            self._paths[file] = path
            opened.methods = pointer(self._methods[address])
        return done

    def _on_delete(self, _: int, name: int, flushed: int) -> int:
        path = self._ours(name)
        if path is not None and os.path.exists(path) and (answer := self._disk.delete(path, bool(flushed))):
            return answer
        done: int = self._delete(self._vfs, name, flushed)
        return done

    def _ours(self, name: int | None) -> str | None:
        """The path at an address, if it is a file in the folder; SQLite has made it absolute. Others have no name."""
        path = None if name is None else os.fsdecode(ctypes.string_at(name))
        return path if path is not None and path.startswith(self._folder) else None

    def _hooked(self, original: _Methods) -> _Methods:
        """The functions of one kind of file, five of them ours."""
        close, write, truncate, sync = (
            _CLOSE(original.close), _WRITE(original.write), _TRUNCATE(original.truncate), _SYNC(original.sync),
        )  # fmt: skip
        disk, paths = self._disk, self._paths

        def on_close(file: int) -> int:
            paths.pop(file, None)
            return int(close(file))

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            answer = disk.write(paths[file], offset, ctypes.string_at(data, size))
            return answer or int(write(file, data, size, offset))

        def on_truncate(file: int, size: int) -> int:
            return disk.truncate(paths[file], size) or int(truncate(file, size))

        def on_sync(file: int, how: int) -> int:
            return disk.flush(paths[file]) or int(sync(file, how))

        methods: _Methods = _copied(original)
        methods.close = self._callback(_CLOSE, on_close)
        methods.write = self._callback(_WRITE, on_write)
        methods.truncate = self._callback(_TRUNCATE, on_truncate)
        methods.sync = self._callback(_SYNC, on_sync)
        _kept.append(methods)
        return methods

    def _callback(self, kind: Any, function: Callable[..., int]) -> int | None:
        """The address of a C function that calls ours, and lets no exception through to where none can pass."""

        def guarded(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException as error:
                self.raised.append(error)
                return sqlite3.SQLITE_IOERR

        callback = kind(guarded)
        _kept.append(callback)
        return cast(callback, c_void_p).value
