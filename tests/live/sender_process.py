"""``migkit send`` in a process of its own, which a signal reaches as it does a user's."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT_S = 60.0


class SenderProcess:
    """A child that sends; it is gone with the test.

    With `nohup` it is started as that program does it: it ignores the end of its terminal.
    """

    def __init__(self, *words: str | Path, nohup: bool = False) -> None:
        started_by = ["nohup"] if nohup else []
        self.process = subprocess.Popen(
            [*started_by, sys.executable, "-m", "migkit", "send", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def interrupted(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; return the exit code and what it said."""
        assert self.process.poll() is None, self.process.communicate()
        self.process.send_signal(number)
        said, errors = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, said, errors
