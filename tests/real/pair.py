"""Two real QEMUs under control of a test, and no process left behind."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LIMIT_S = 40.0
OVER = ("completed", "failed", "cancelled")


def until(reached: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Wait for something, and say what did not come."""
    end = time.monotonic() + limit_s
    while not (found := reached()):
        assert time.monotonic() < end, f"no {what} in {limit_s} s"
        time.sleep(0.01)
    return found


class Machine:
    """One QEMU, its control socket and its serial line."""

    def __init__(self, command: Sequence[str], words: Sequence[str], name: Path) -> None:
        self.serial = name.with_suffix(".serial")
        self._control = name.with_suffix(".qmp")
        self._said = name.with_suffix(".stderr").open("wb")
        self.process = subprocess.Popen(
            [
                *command,
                *("-machine", "pc", "-accel", "tcg", "-nodefaults", "-display", "none"),
                *("-serial", f"file:{self.serial}"),
                *("-qmp", f"unix:{self._control},server=on,wait=off"),
                *words,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
        )
        self._socket = socket.socket(socket.AF_UNIX)
        self._lines: Any = None

    def connect(self) -> None:
        def connected() -> bool:
            assert self.process.poll() is None, self._said.name
            with contextlib.suppress(OSError):
                self._socket.connect(str(self._control))
                return True
            return False

        until(connected, "control socket")
        self._socket.settimeout(LIMIT_S)
        self._lines = self._socket.makefile("rwb", buffering=0)
        self._lines.readline()
        self.tell("qmp_capabilities")

    def tell(self, command: str, **arguments: Any) -> Any:
        """Give a QMP command; underscores stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        told = {"execute": command, "arguments": named}
        self._lines.write(json.dumps(told).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return answer["return"]

    def enable(self, *capabilities: str, **parameters: Any) -> None:
        """Switch capabilities on, which QEMU refuses while it migrates, and set parameters."""
        if capabilities:
            states = [{"capability": name, "state": True} for name in capabilities]
            self.tell("migrate-set-capabilities", capabilities=states)
        self.tell("migrate-set-parameters", **parameters)

    def status(self) -> str:
        return str(self.tell("query-migrate").get("status", "none"))

    def reached(self, *states: str) -> str:
        """Wait for a state of the migration."""
        said = f"{' or '.join(states)} (it is {self.status()})"
        until(lambda: self.status() in states, said)
        return self.status()

    def printed(self) -> str:
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)
        if self._lines:
            self._lines.close()
        self._socket.close()
        self._said.close()


class Pair:
    """A source whose guest runs, and a destination that waits for it."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        guest: Path,
        append: str,
        *,
        memory: str = "48M",
    ) -> None:
        words = ["-m", memory, "-kernel", str(guest), "-append", append]
        self.source = Machine(command, words, folder / "source")
        self.destination = Machine(command, [*words, "-incoming", "defer"], folder / "dest")
        self.incoming = ""

    def __enter__(self) -> Self:
        try:
            self.source.connect()
            self.destination.connect()
            until(lambda: "beat" in self.source.printed(), "heartbeat of the guest")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def enable(self, *capabilities: str, **parameters: Any) -> None:
        for machine in (self.source, self.destination):
            machine.enable(*capabilities, **parameters)

    def listen(self, address: str) -> None:
        self.destination.tell("migrate-incoming", uri=address)
        self.incoming = address

    def beats(self) -> bool:
        """Tell whether the guest runs on at the destination."""
        before = self.destination.printed().count("beat")
        return bool(
            until(lambda: self.destination.printed().count("beat") > before + 1, "heartbeat there")
        )

    def close(self) -> None:
        self.source.close()
        self.destination.close()
