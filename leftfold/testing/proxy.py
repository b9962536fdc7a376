"""A TCP proxy for fault injection: it cuts connections at any byte, in either direction, and it can hold traffic back.

One thread moves all the bytes. What is lost when a connection is cut is lost for good, as on a real network: nothing
that waits in the proxy is delivered any more.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self

Way = Literal["request", "reply"]

_CHUNK = 65_536
_MOST_WAITING = 4 * _CHUNK  # a stopped reader must stop the writer, and not fill the memory


class CuttingProxy:
    """Forwards to a server until told otherwise; for a ``with``. Clients connect to 127.0.0.1 at ``port``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._armed: list[tuple[Way, int]] = []
        self._cut_all = False
        self._held_until = 0.0
        self._lock = threading.Lock()
        self._flows: list[_Flow] = []
        self._all_ports: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rung = socket.socketpair()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="cutting-proxy")
        self._thread.start()

    def cut_next(self, way: Way, *, after: int = 0) -> None:
        """Drop the next connection on which something is sent that way, after so many of its bytes have passed.

        ``"request"`` with ``after=0``: the server never hears of it. ``"reply"`` with ``after=0``: the work is done and
        the client never hears of it. Fewer bytes than that: the connection goes when the rest comes.
        """
        with self._lock:
            self._armed.append((way, after))

    def cut_all(self) -> None:
        """Drop every connection that there is now."""
        with self._lock:
            self._cut_all = True
        self._ring()

    def hold(self, seconds: float) -> None:
        """Pass nothing on for a while, in either direction; connections stay."""
        with self._lock:
            self._held_until = time.monotonic() + seconds
        self._ring()

    def heal(self) -> None:
        """Forget what was armed and is held back."""
        with self._lock:
            self._armed.clear()
            self._held_until = 0.0
            for flow in self._flows:
                flow.left = None
        self._ring()

    def ports(self) -> set[int]:
        """The local ports of its connections to the server: what PostgreSQL shows as ``client_port``."""
        with self._lock:
            return {flow.pair.port for flow in self._flows}

    @property
    def all_ports(self) -> set[int]:
        """Those of all its connections so far."""
        with self._lock:
            return set(self._all_ports)

    def close(self) -> None:
        """Drop everything and end."""
        self._closed = True
        self._ring()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ring(self) -> None:
        with suppress(OSError):
            self._rung.send(b"!")

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        while not self._closed:
            for key, ready in self._selector.select(self._pause()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._bell:
                    self._bell.recv(_CHUNK)
                    self._obey()
                else:
                    self._move(key.data, ready)
            if self._held_until and time.monotonic() >= self._held_until:
                self._obey()
        for flow in list(self._flows):
            self._drop(flow)
        for end in (self._listener, self._bell, self._rung):
            end.close()
        self._selector.close()

    def _pause(self) -> float | None:
        held = self._held_until - time.monotonic()
        return max(held, 0.001) if self._held_until else None

    def _obey(self) -> None:
        """Do what was asked from other threads; the sockets are this thread's alone."""
        with self._lock:
            everything, self._cut_all = self._cut_all, False
            if time.monotonic() >= self._held_until:
                self._held_until = 0.0
        for flow in list(self._flows):
            if everything:
                self._cut(flow)
            self._watch(flow)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(server.getsockname()[1])
        pair.flows = [_Flow("request", client, server, pair), _Flow("reply", server, client, pair)]
        with self._lock:
            self._flows += pair.flows
            self._all_ports.add(pair.port)
        for flow in pair.flows:
            self._watch(flow)

    def _watch(self, flow: _Flow) -> None:
        """What to wait for on the socket that this flow reads from: its data, and room for what flows back to it."""
        if flow.pair.dropped:
            return
        held = bool(self._held_until)
        back = flow.pair.other(flow)
        wanted = 0
        if not flow.ended and not held and len(flow.waiting) < _MOST_WAITING:
            wanted |= selectors.EVENT_READ
        if back.waiting and not held:
            wanted |= selectors.EVENT_WRITE
        if wanted == flow.watched:
            return
        if not flow.watched:
            self._selector.register(flow.source, wanted, flow)
        elif wanted:
            self._selector.modify(flow.source, wanted, flow)
        else:
            self._selector.unregister(flow.source)
        flow.watched = wanted

    def _move(self, flow: _Flow, ready: int) -> None:
        if flow.pair.dropped:
            return
        back = flow.pair.other(flow)
        try:
            if ready & selectors.EVENT_WRITE:
                self._send(back)
            if ready & selectors.EVENT_READ and not flow.pair.dropped:
                self._receive(flow)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(flow)
        if flow.pair.cut:
            self._cut(flow)
        for direction in (flow, back):
            self._watch(direction)

    def _receive(self, flow: _Flow) -> None:
        data = flow.source.recv(_CHUNK)
        if not data:
            flow.ended = True
            self._finish(flow)
            return
        if flow.left is None:
            flow.left = self._take_order(flow.way)
        if flow.left is not None:
            if len(data) >= flow.left:
                data = data[: flow.left]
                flow.pair.cut = True
            flow.left -= len(data)
        flow.waiting += data
        self._send(flow)

    def _take_order(self, way: Way) -> int | None:
        with self._lock:
            for order in self._armed:
                if order[0] == way:
                    self._armed.remove(order)
                    return order[1]
        return None

    def _send(self, flow: _Flow) -> None:
        if flow.waiting and not self._held_until:
            with suppress(BlockingIOError):
                sent = flow.sink.send(flow.waiting)
                del flow.waiting[:sent]
        self._finish(flow)

    def _finish(self, flow: _Flow) -> None:
        """After the end of what one side says, the other has nothing to wait for: neither end is half closed."""
        if flow.ended and not flow.waiting:
            self._drop(flow)

    def _cut(self, flow: _Flow) -> None:
        if not flow.pair.dropped:
            self.cuts += 1
        self._drop(flow)

    def _drop(self, flow: _Flow) -> None:
        if flow.pair.dropped:
            return
        flow.pair.dropped = True
        with self._lock:
            self._flows = [kept for kept in self._flows if kept.pair is not flow.pair]
        for direction in flow.pair.flows:
            if direction.watched:
                self._selector.unregister(direction.source)
            direction.source.close()


@dataclass(eq=False, slots=True)
class _Pair:
    """The two flows of one connection, which end together."""

    port: int
    flows: list[_Flow] = field(default_factory=list)
    cut: bool = False
    dropped: bool = False

    def other(self, flow: _Flow) -> _Flow:
        return self.flows[1 - self.flows.index(flow)]


@dataclass(eq=False, slots=True)
class _Flow:
    """What one side of a connection says to the other."""

    way: Way
    source: socket.socket
    sink: socket.socket
    pair: _Pair
    waiting: bytearray = field(default_factory=bytearray)
    left: int | None = None
    """How many more bytes pass before it is cut; None for no end."""
    ended: bool = False
    watched: int = 0
