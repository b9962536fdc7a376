"""The notifier: LISTEN for the appends of other processes, NOTIFY them of this process's.

A thread with a connection of its own for each store, started at first need, whichever the door. A notification is a
hint: followers poll the log anyway, so a lost notification costs them the poll's pause and nothing else. No append
sends a notification itself, because NOTIFY takes a lock that serialises the commits of a whole cluster. Here it has a
transaction of its own, after the commit, at most once in `EVERY_SECONDS`.

A listening process holds a shared advisory lock, so that a store without listeners sends no notifications at all.
"""

from __future__ import annotations

import logging
import math
import os
import random
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg

from leftfold.database.postgresql.driver import CONNECT_SECONDS

EVERY_SECONDS = 0.05
LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.1
_PATIENCE = 1.0
logger = logging.getLogger("leftfold")


class Notifier:
    """Calls ``on_news``, from its own thread, when other processes may have appended; `tell` notifies them."""

    def __init__(self, conninfo: str, schema: str, on_news: Callable[[], None]) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self._channel = f"leftfold_{schema}".encode()[:63].decode(errors="ignore")
        self._on_news = on_news
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake, self._woken = -1, -1
        self._listens = False
        self._to_tell = False
        self._closed = False
        self._pause = _FIRST_PAUSE

    def listen(self) -> None:
        """Call ``on_news`` from now on."""
        if not self._listens or self._thread is None:
            self._listens = True
            self._rouse()

    def tell(self) -> None:
        """Notify listeners soon; calls within `EVERY_SECONDS` become a single notification."""
        if not self._to_tell or self._thread is None:
            self._to_tell = True
            self._rouse()

    def open(self) -> None:
        """Be of use again after `close`."""
        self._closed = False

    def close(self) -> None:
        """Close the connection. Closing twice is fine."""
        self._closed = True
        thread = self._thread
        if thread is not None:
            self._rouse()
            thread.join(_PATIENCE)

    def _rouse(self) -> None:
        """Never fails: the events are committed already, and followers poll."""
        with self._lock:
            if self._thread is None and not self._closed:
                try:
                    self._start()
                except (OSError, RuntimeError) as error:  # no files, no threads
                    logger.info("no notifications for now, polling goes on: %s", error)
            if self._thread is not None:
                with suppress(BlockingIOError):  # full, hence awake soon
                    os.write(self._wake, b"!")

    def _start(self) -> None:
        self._woken, self._wake = os.pipe()
        try:
            os.set_blocking(self._wake, False)
            thread = threading.Thread(target=self._run, name="leftfold-notifier", daemon=True)
            thread.start()
        except BaseException:
            self._close_pipe()
            raise
        self._thread = thread

    def _close_pipe(self) -> None:
        os.close(self._wake)
        os.close(self._woken)

    def _run(self) -> None:
        try:
            while not self._closed:
                try:
                    with psycopg.connect(
                        self._conninfo,
                        autocommit=True,
                        application_name="leftfold notifier",
                        connect_timeout=int(CONNECT_SECONDS),
                    ) as connection:
                        self._serve(connection)
                except psycopg.Error as error:
                    if not self._closed:
                        logger.info("no notifications for a while, polling goes on: %s", str(error).strip())
                        self._wait(None, self._pause * random.uniform(0.5, 1.0))
                        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        finally:
            with self._lock:  # other files may get the numbers of the pipe's ends from here on
                self._thread = None
                self._close_pipe()

    def _serve(self, connection: psycopg.Connection[Any]) -> None:
        """LISTEN and NOTIFY until closed, or until the connection dies."""
        ours = connection.info.backend_pid
        connection.add_notify_handler(lambda news: self._on_news() if news.pid != ours else None)
        listening, told_at = False, -EVERY_SECONDS
        while not self._closed:
            if self._listens and not listening:
                connection.execute(f'LISTEN "{self._channel}"')
                connection.execute(f"SELECT pg_advisory_lock_shared({self._schema}.listener_space_v1(), 0)")
                listening = True
                self._pause = _FIRST_PAUSE
                self._on_news()  # events may have come before LISTEN
            due = told_at + EVERY_SECONDS - monotonic()
            if self._to_tell and due <= 0:
                self._to_tell = False
                connection.execute(
                    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')", (self._channel,)
                )
                told_at = monotonic()
                continue
            if self._wait(connection, due if self._to_tell else None):
                connection.pgconn.consume_input()
                while (news := connection.pgconn.notifies()) is not None:
                    if news.be_pid != ours:
                        self._on_news()

    def _wait(self, connection: psycopg.Connection[Any] | None, seconds: float | None) -> bool:
        """Until roused, until the connection has something to read, or for a time; whether it has something to read."""
        poll = select.poll()  # select.select takes no file number from 1,024 on
        poll.register(self._woken, select.POLLIN)
        if connection is not None:
            poll.register(connection.fileno(), select.POLLIN)
        ready = {file for file, _ in poll.poll(None if seconds is None else max(0, math.ceil(seconds * 1000)))}
        if self._woken in ready:
            os.read(self._woken, 4096)
        return connection is not None and connection.fileno() in ready
