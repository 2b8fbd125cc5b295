"""One virtual machine of a pair: its QEMU, its control socket, its log and its serial line."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.errors import LabError
from migkit.lab.process import Child

if TYPE_CHECKING:
    from migkit.lab.qemus import Qemu

__all__ = ["Machine"]

_ANSWERS_WITHIN_S = 15
_STARTS_WITHIN_S = 60
_DISCONNECTS_WITHIN_S = 2
_BEAT = re.compile(r"^beat (\d+) (\d+)$", re.MULTILINE)


class Machine:
    """One QEMU under control.

    Parameters
    ----------
    name : {"source", "dest"}
        Which of the pair.
    qemu : Qemu
        The program.
    words : sequence of str
        What it is started with, beside what controls it.
    folder : Path
        Where its log and serial line lie.
    events : Path
        File with the trace events that it logs.
    before : sequence of str
        Words that stand before the program's.
    """

    def __init__(
        self,
        name: str,
        qemu: Qemu,
        words: Sequence[str],
        folder: Path,
        events: Path,
        *,
        before: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.trace.log"
        self.serial = folder / f"{name}.serial"
        # A pair of sockets has no name in a folder, and ends with who holds its ends.
        self._socket, its_end = socket.socketpair()
        control = [
            *("-chardev", f"socket,id=qmp,fd={its_end.fileno()}"),
            *("-mon", "chardev=qmp,mode=control"),
            *("-serial", f"file:{self.serial}"),
            *("-D", str(self.log), "-msg", "timestamp=on", "-trace", f"events={events}"),
        ]
        errors = folder / f"{name}.stderr.txt"
        with its_end:
            keep = [its_end.fileno()]
            self.child = Child([*before, *qemu.command, *words, *control], errors, keep)
        self._client: Any = None
        self._listener: Any = None
        self.silent = False

    async def connect(self) -> None:
        """Open its control socket.

        Raises
        ------
        LabError
            If it ends before, or does not answer.
        """
        from qemu.qmp import EventListener, QMPClient, QMPError

        self._client = QMPClient(self.name)
        # The library logs each lost connection; a killed QEMU is no news here.
        self._client.logger.setLevel("CRITICAL")
        self._listener = EventListener()
        self._client.register_listener(self._listener)
        try:
            async with asyncio.timeout(_STARTS_WITHIN_S):
                await self._client.connect(self._socket)
        except (TimeoutError, QMPError, OSError, EOFError):
            ended = self.child.wait(1)
            found = f"it ended and said: {self.child.said()}" if ended else "no answer"
            raise LabError.of(f"start QEMU ({self.name})", found, "check its words") from None

    async def tell(self, command: str, **arguments: Any) -> Any:
        """Give a QMP command.

        Parameters
        ----------
        command : str
            Its name.
        **arguments : Any
            Its arguments, underscores for dashes.

        Returns
        -------
        Any
            What it answers.

        Raises
        ------
        LabError
            If it refuses, with its reason, or is gone.
        """
        from qemu.qmp import ExecuteError, QMPError

        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        if self.silent:
            raise LabError.of(f"{command} to the {self.name}", "it does not answer", "see its log")
        try:
            # Python 3.11's wait_for loses an interruption that comes with the answer.
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                return await self._client.execute(command, named or None)
        except ExecuteError as error:
            reply = {"class": error.error_class, "desc": str(error)}
            raise LabError(f"{command}: {reply}") from None
        except (TimeoutError, QMPError, OSError, EOFError) as error:
            self.silent = not self.child.ended
            found = f"no answer ({type(error).__name__})" if self.silent else "gone"
            raise LabError.of(f"{command} to the {self.name}", found, "see its log") from None

    async def ask(self, command: str) -> dict[str, Any] | None:
        """Give a command whose answer is a table; None if it is gone or does not answer."""
        try:
            answer: dict[str, Any] = await self.tell(command)
        except LabError:
            return None
        return answer

    @property
    def absence(self) -> str:
        """Why it gives no answer."""
        return "exited" if self.child.ended else "no answer"

    def events(self) -> list[dict[str, Any]]:
        """Return the events that it sent so far."""
        history = self._listener.history if self._listener is not None else ()
        return [
            {
                "timestamp": dict(message["timestamp"]),
                "event": str(message["event"]),
                **({"data": message["data"]} if message.get("data") else {}),
            }
            for message in history
        ]

    def printed(self) -> str:
        """Return what its guest printed on the serial line."""
        try:
            return self.serial.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ""

    def beat(self) -> tuple[int, int] | None:
        """Return the last heartbeat: milliseconds of guest time, and page writes so far."""
        found = _BEAT.findall(self.printed())
        return (int(found[-1][0]), int(found[-1][1])) if found else None

    def limit_files(self, size_bytes: int) -> None:
        """Let it write no file beyond a size: as on a full disk, its writes fail."""
        # The program inherits from Python that the signal for this is ignored.
        resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (size_bytes, size_bytes))

    async def close(self) -> None:
        """End it at once: its log is written line by line, so it is whole."""
        from qemu.qmp import QMPError

        self.child.kill()
        if self._client is not None:
            try:
                async with asyncio.timeout(_DISCONNECTS_WITHIN_S):
                    await self._client.disconnect()
            except (TimeoutError, QMPError, OSError, EOFError):
                pass
        self._socket.close()
