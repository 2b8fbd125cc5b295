"""A real QEMU under control of a test: its monitor, its serial line, and what it complains of.

Tests wait for states, never for times. What does not come is told with all that QEMU says.
"""

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from migkit.lab.process import Child

LIMIT_S = 60.0
OVER = ("completed", "failed", "cancelled")

_BEAT = re.compile(r"^beat (\d+) \d+$", re.MULTILINE)
_MANY_PASSES = 12
_LONG_DOWNTIME_MS = 60_000


def until(
    reached: Callable[[], Any],
    what: str,
    limit_s: float = LIMIT_S,
    said: Callable[[], str] = lambda: "",
) -> Any:
    """Wait for something and return it; say what did not come."""
    end = time.monotonic() + limit_s
    while not (found := reached()):
        assert time.monotonic() < end, f"no {what} within {limit_s:g} s {said()}"
        time.sleep(0.005)
    return found


class Machine:
    """One QEMU. It starts at once and listens to `tell` after `connect`.

    Parameters
    ----------
    command : sequence of str
        Starts a QEMU with its firmware (`migkit.lab.Qemu.command`).
    words : sequence of str
        Memory, guest and the like; a board named here stands in for the default one.
    name : Path
        What its files are called, without suffix.
    """

    def __init__(self, command: Sequence[str], words: Sequence[str], name: Path) -> None:
        name.parent.mkdir(parents=True, exist_ok=True)
        self.name = name.name
        self.serial = name.with_suffix(".serial")
        # A pair of sockets has no name in a folder, and there is nothing to be polled for.
        self._socket, its_end = socket.socketpair()
        self._socket.settimeout(LIMIT_S)
        self._lines = self._socket.makefile("rb")
        control = [
            *("-machine", "pc", "-accel", "tcg", "-nodefaults", "-display", "none"),
            *("-serial", f"file:{self.serial}"),
            *("-chardev", f"socket,id=monitor,fd={its_end.fileno()}"),
            *("-mon", "chardev=monitor,mode=control"),
        ]
        with its_end:
            keep = [its_end.fileno()]
            self._child = Child([*command, *control, *words], name.with_suffix(".stderr"), keep)

    def connect(self) -> None:
        """Wait until it answers."""
        self._answer("its greeting")
        self.tell("qmp_capabilities")

    def tell(self, command: str, **arguments: Any) -> Any:
        """Give a QMP command, which it must not refuse; underscores stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._send({"execute": command, "arguments": named})
        return self._returned(command)

    def give_descriptor(self, name: str, descriptor: int) -> None:
        """Pass an open file, which ``fd:NAME`` then names."""
        told = {"execute": "getfd", "arguments": {"fdname": name}}
        socket.send_fds(self._socket, [json.dumps(told).encode() + b"\n"], [descriptor])
        self._returned("getfd")

    def _send(self, told: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(told).encode() + b"\n")
        except OSError as error:
            raise AssertionError(f"{told['execute']}: {error} {self.said()}") from None

    def _returned(self, command: str) -> Any:
        while "event" in (answer := self._answer(command)):
            pass
        assert "return" in answer, f"{command} was refused: {answer} {self.states()}"
        return answer["return"]

    def _answer(self, what: str) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise AssertionError(f"{what}: {error} {self.said()}") from None
        assert line, f"{what}: it is gone {self.said()}"
        found: dict[str, Any] = json.loads(line)
        return found

    def enable(self, *capabilities: str, **parameters: Any) -> None:
        """Switch capabilities on, which QEMU refuses while it migrates, and set parameters."""
        self.switch(*capabilities)
        self.tell("migrate-set-parameters", **parameters)

    def switch(self, *capabilities: str, state: bool = True) -> None:
        """Switch capabilities on or off: only while nothing migrates."""
        if capabilities:
            states = [{"capability": name, "state": state} for name in capabilities]
            self.tell("migrate-set-capabilities", capabilities=states)

    def status(self) -> str:
        """Tell the state of its migration."""
        return str(self.tell("query-migrate").get("status", "none"))

    def ram(self) -> dict[str, int]:
        """Tell its counters; none before a migration."""
        found: dict[str, int] = self.tell("query-migrate").get("ram", {})
        return found

    def reached(self, *states: str) -> str:
        """Wait for a state of the migration, and return it.

        A migration that ends otherwise fails the test at once. One that is awaited to end will: on
        a slow machine, where the guest writes faster than that sends, it may stop for longer.
        """
        wanted = " or ".join(states)

        def state() -> str:
            told = self.tell("query-migrate")
            found = str(told.get("status", "none"))
            assert found in states or found not in OVER, f"{found}, no {wanted} {self.states()}"
            if told.get("ram", {}).get("dirty-sync-count", 0) > _MANY_PASSES:
                self.tell("migrate-set-parameters", downtime_limit=_LONG_DOWNTIME_MS)
            return found if found in states else ""

        found = str(until(state, wanted, said=self.states))
        if found == "completed":
            self.settled()
        return found

    def begin(self, uri: str, sent_bytes: int) -> None:
        """Begin a migration, with the guest at rest until so many bytes have gone.

        Under TCG, QEMU 11.1.3 loses writes otherwise where it has postcopy-ram: it then syncs its
        dirty log in every pass. A sync that finds only pages that are still to be sent clears the
        log, but not what lets a vCPU write to them past it (migration/ram.c,
        physical_memory_sync_dirty_bitmap: nothing is reset where num_dirty is 0). What is written
        to such a page after it was sent does not come again. Once the guest's stack has been sent,
        which it writes all the time, every sync finds that.
        """
        self.tell("stop")
        self.tell("migrate", uri=uri)
        self.until(lambda: self.ram().get("transferred", 0) > sent_bytes, "first pages")
        self.tell("cont")

    def settled(self) -> None:
        """Wait until a completed migration is finalized: "completed" is told a moment before."""
        self.until(lambda: self.running_state() != "finish-migrate", "end of finish-migrate")

    def running_state(self) -> str:
        """Tell whether its guest runs: QEMU's run state."""
        return str(self.tell("query-status")["status"])

    def until(self, reached: Callable[[], Any], what: str) -> Any:
        """Wait for something about this QEMU."""
        return until(reached, f"{what} at the {self.name}", said=self.states)

    def tcp(self) -> str:
        """Return the address that it listens on."""
        found = self.until(lambda: self.tell("query-migrate").get("socket-address"), "port")
        return f"tcp:127.0.0.1:{found[0]['port']}"

    def printed(self) -> str:
        """Return what its guest printed."""
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def beats(self) -> list[int]:
        """Return the guest's heartbeats, milliseconds of its clock each."""
        return [int(found) for found in _BEAT.findall(self.printed())]

    def beat(self) -> int:
        """Return the last heartbeat; -1 before the first."""
        return (self.beats() or [-1])[-1]

    def goes_on(self, beats: int = 2) -> int:
        """Wait until its guest's heart has beaten so often again; return the last heartbeat."""
        before = len(self.beats())
        self.until(lambda: len(self.beats()) >= before + beats, "heartbeat going on")
        return self.beat()

    def said(self) -> str:
        """Return what QEMU complained of, for the message of a failed test."""
        ended = "has ended and" if self._child.ended else "runs and"
        return f"[{self.name}: {ended} said: {self._child.said()}]"

    def states(self) -> str:
        """Return that with the states of migration and guest, if it still tells them."""
        told = {}
        with contextlib.suppress(AssertionError):
            for command in ("query-migrate", "query-status"):
                self._send({"execute": command})
                while "event" in (answer := self._answer(command)):
                    pass
                told[command] = answer
        return f"{told or ''} {self.said()}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    def close(self) -> None:
        """End it at once."""
        self._child.kill()
        self._lines.close()
        self._socket.close()
