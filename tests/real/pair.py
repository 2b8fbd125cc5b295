"""Two real QEMUs under control of a test, and no process left behind."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from real.machine import LIMIT_S, OVER, Machine, until

__all__ = ["LIMIT_S", "OVER", "Machine", "Pair", "until"]


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
        try:
            self.destination = Machine(command, [*words, "-incoming", "defer"], folder / "dest")
        except BaseException:
            self.source.close()
            raise
        self.incoming = ""

    def __enter__(self) -> Self:
        try:
            self.source.connect()
            self.destination.connect()
            self.source.until(lambda: self.source.beat() >= 0, "heartbeat of the guest")
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
        """Switch capabilities on and set parameters, on both sides."""
        for machine in (self.source, self.destination):
            machine.enable(*capabilities, **parameters)

    def listen(self, address: str) -> None:
        """Let the destination wait at an address."""
        self.destination.tell("migrate-incoming", uri=address)
        self.incoming = address

    def beats(self) -> bool:
        """Wait until the guest runs on at the destination."""
        return self.destination.goes_on() > 0

    def close(self) -> None:
        """End both."""
        self.source.close()
        self.destination.close()
