"""A TCP proxy that cuts connections at a chosen point of the conversation."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Literal, Self

Cut = Literal["request", "reply"]


class CuttingProxy:
    """Forwards to a server until told to cut.

    ``cut_next("request")`` drops the connection instead of forwarding what a client sends next: the server never hears
    of it. ``cut_next("reply")`` forwards the request, waits for the server's whole answer to begin, and drops the
    connection instead of passing it on: the work is done and nobody is told.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._armed: Cut | None = None
        self._lock = threading.Lock()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, where: Cut) -> None:
        with self._lock:
            self._armed = where

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink, way in ((client, server, "request"), (server, client, "reply")):
                threading.Thread(target=self._pump, args=(source, sink, way), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._cuts_here(way):
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _cuts_here(self, way: str) -> bool:
        with self._lock:
            if self._armed != way:
                return False
            self._armed = None
            self.cuts += 1
            return True
