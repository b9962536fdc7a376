"""The cutting proxy: bytes pass unchanged, and stop where they were told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from leftfold.testing.proxy import CuttingProxy

PATIENCE = 10.0


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    """In front of a server that sends back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        with CuttingProxy(*listener.getsockname()[:2]) as proxy:
            yield proxy
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except OSError:
            return


def connect(proxy: CuttingProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


def received(client: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer if the connection ends first."""
    found = b""
    try:
        while len(found) < size and (data := client.recv(65_536)):
            found += data
    except ConnectionResetError:
        pass
    return found


def test_bytes_pass_unchanged_also_when_nobody_reads_for_a_while(proxy: CuttingProxy) -> None:
    sent = bytes(range(256)) * 20_000
    with connect(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(sent,))
        sender.start()
        time.sleep(0.05)
        assert received(client, len(sent)) == sent
        sender.join()
        assert proxy.ports() == proxy.all_ports != set()


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_reply_is_cut_after_so_many_bytes(proxy: CuttingProxy, after: int) -> None:
    with connect(proxy) as client:
        proxy.cut_next("reply", after=after)
        client.sendall(b"hello there")
        assert received(client, 11) == b"hello there"[:after]
    assert proxy.cuts == 1
    assert proxy.ports() == set()


def test_a_request_that_is_cut_never_comes_to_the_server(proxy: CuttingProxy) -> None:
    with connect(proxy) as client, connect(proxy) as other:
        proxy.cut_next("request")
        client.sendall(b"hello")
        assert received(client, 5) == b""
        other.sendall(b"others are spared")
        assert received(other, 17) == b"others are spared"


def test_traffic_is_held_back_and_goes_on(proxy: CuttingProxy) -> None:
    with connect(proxy) as client:
        proxy.hold(0.3)
        begin = time.monotonic()
        client.sendall(b"hello")
        assert received(client, 5) == b"hello"
        assert time.monotonic() - begin > 0.25


def test_everything_is_cut_at_once(proxy: CuttingProxy) -> None:
    with connect(proxy) as first, connect(proxy) as second:
        for client in (first, second):
            client.sendall(b"x")
            assert received(client, 1) == b"x"
        proxy.cut_all()
        assert received(first, 1) == received(second, 1) == b""


def test_what_was_armed_can_be_taken_back(proxy: CuttingProxy) -> None:
    with connect(proxy) as client:
        proxy.cut_next("reply")
        proxy.heal()
        client.sendall(b"hello")
        assert received(client, 5) == b"hello"
