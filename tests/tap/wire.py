"""The two ends of a tap under test: a source that sends, a destination that keeps what comes."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

LIMIT_S = 60.0


class Destination:
    """Accepts connections and keeps what comes; answers each with given bytes, when told to."""

    def __init__(self, answers: Sequence[bytes] = (), *, wait: bool = False) -> None:
        self.answering = threading.Event()
        if not wait:
            self.answering.set()
        self.received: list[bytearray] = []
        self._answers = list(answers)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(LIMIT_S)
        self.address = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.settimeout(LIMIT_S)
            kept = bytearray()
            number = len(self.received)
            self.received.append(kept)
            answer = self._answers[number] if number < len(self._answers) else b""
            thread = threading.Thread(target=self._keep, args=(connection, kept, answer))
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def _keep(self, connection: socket.socket, kept: bytearray, answer: bytes) -> None:
        answering = threading.Thread(target=self._answer, args=(connection, answer), daemon=True)
        answering.start()
        with connection:
            while data := connection.recv(1 << 16):
                kept += data
            answering.join(LIMIT_S)

    def _answer(self, connection: socket.socket, answer: bytes) -> None:
        if answer:
            self.answering.wait(LIMIT_S)
            connection.sendall(answer)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join(LIMIT_S)


def connected(address: object) -> socket.socket:
    """Connect to a tap."""
    _, host, port = str(address).split(":")
    made = socket.create_connection((host, int(port)), timeout=LIMIT_S)
    made.settimeout(LIMIT_S)
    return made


def connected_unix(path: Path) -> socket.socket:
    """Connect to a tap at a path, which is there a little before anybody listens."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(LIMIT_S)

    def reached() -> bool:
        try:
            made.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True

    assert until(reached)
    return made


def send(source: socket.socket, data: bytes) -> None:
    """Send all that the tap takes, from another thread; a cut is no error here."""

    def run() -> None:
        try:
            source.sendall(data)
            source.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()


def received(source: socket.socket) -> bytes:
    """Return what the tap sends back to its end."""
    data = b""
    try:
        while piece := source.recv(1 << 16):
            data += piece
    except ConnectionError:
        pass
    return data


def until(reached: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT_S
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
