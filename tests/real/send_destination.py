"""A real QEMU that waits for a guest, and one that saves its guest; both are over with a test."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.guest_words import fit_guest, guest_words
from migkit.live import Receiver
from migkit.scenario import Scenario

MEMORY_MIB = 32
_WAITS_S = 20.0
_BEAT = re.compile(r"^beat (\d+) \d+$", re.MULTILINE)


class Machine:
    """A QEMU, its monitor and its serial line."""

    def __init__(self, qemu: Qemu, machine: str, folder: Path, *words: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.serial = folder / "serial"
        self._errors = (folder / "stderr").open("wb")
        monitor = folder / "qmp"
        fixed = ["-M", machine, "-m", str(MEMORY_MIB), "-accel", "tcg", "-display", "none"]
        control = ["-nodefaults", "-serial", f"file:{self.serial}"]
        control += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        self.process = subprocess.Popen(
            [*qemu.command, *fixed, *control, *words],
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
        )
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_WAITS_S)
        self._lines: Any = None
        try:
            self._meet(monitor)
        except BaseException:
            self.close()
            raise

    def _meet(self, monitor: Path) -> None:
        self.until(lambda: self._reached(monitor), "its monitor")
        self._lines = self._socket.makefile("rw", encoding="utf-8")
        self._lines.readline()
        self.tell("qmp_capabilities")

    def _reached(self, monitor: Path) -> bool:
        """Connect to the monitor; its file is there a moment before it listens."""
        try:
            self._socket.connect(str(monitor))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def tell(self, command: str, **arguments: Any) -> Any:
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._lines.write(json.dumps({"execute": command, "arguments": named}) + "\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            if "event" not in answer:
                assert "return" in answer, (command, answer, self.said())
                return answer["return"]

    def until(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + _WAITS_S
        while not true():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, f"no {what} within {_WAITS_S:g} s; {self.said()}"
            time.sleep(0.01)

    def said(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")[-500:]

    def beat(self) -> int:
        """Return the guest's last heartbeat, milliseconds of its clock; -1 before the first."""
        try:
            found = _BEAT.findall(self.serial.read_text(errors="replace"))
        except FileNotFoundError:
            return -1
        return int(found[-1]) if found else -1

    def tcp(self) -> str:
        """Return the address that it listens on."""
        address = self.tell("query-migrate")["socket-address"][0]
        return f"tcp:127.0.0.1:{address['port']}"

    def status(self) -> str:
        return str(self.tell("query-migrate").get("status"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        if self._lines:
            self._lines.close()
        self._socket.close()
        self._errors.close()


@contextmanager
def waiting(
    qemu: Qemu,
    machine: str,
    folder: Path,
    uri: str,
    *capabilities: str,
    tls: Path | None = None,
    **parameters: object,
) -> Iterator[Machine]:
    """Start a destination that listens; it is gone afterwards."""
    words = ["-incoming", "defer"]
    if tls is not None:
        words += ["-object", f"tls-creds-x509,id=tls0,endpoint=server,dir={tls},verify-peer=on"]
        parameters["tls_creds"] = "tls0"
    found = Machine(qemu, machine, folder, *words)
    try:
        states = [{"capability": name, "state": True} for name in capabilities]
        if states:
            found.tell("migrate-set-capabilities", capabilities=states)
        if parameters:
            found.tell("migrate-set-parameters", **parameters)
        found.tell("migrate-incoming", uri=uri)
        yield found
    finally:
        found.close()


def save_guest(
    qemu: Qemu, machine: str, folder: Path, receiver: Receiver | None = None
) -> tuple[Path, int]:
    """Run the workload guest for a moment and save it; return where, and its last heartbeat.

    It is saved to a file, or by a destination of ours to a folder.
    """
    built = Scenario.build(memory=f"{MEMORY_MIB}MiB", workload="uniform:4000,base=1024,pages=6400")
    words = guest_words(fit_guest(built), beat_ms=20).append
    folder.mkdir(parents=True)
    kernel = build_guest(folder)
    guest = Machine(qemu, machine, folder / "source", "-kernel", str(kernel), "-append", words)
    try:
        guest.until(lambda: guest.beat() >= 200, "heartbeat")
        path = folder / ("saved" if receiver else "guest.mig")
        guest.tell("migrate", uri=str(receiver.address) if receiver else f"file:{path}")
        if receiver:
            receiver.run().save(path)
        guest.until(lambda: guest.status() == "completed", "end of the migration")
        return path, guest.beat()
    finally:
        guest.close()
