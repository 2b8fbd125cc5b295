"""Programs that end with us: killed with their whole group, and by the kernel if we die first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Child", "run_whole"]

# Linux's prctl(PR_SET_PDEATHSIG, SIGKILL), set in the program itself before it becomes the other
# one. Nothing of this process runs between fork and exec, so threads of ours do not matter.
_LAUNCH = """\
import ctypes, os, sys
set_option = getattr(ctypes.CDLL(None), "prctl", None)
if set_option is not None:
    set_option(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_ENDS_WITHIN_S = 10


class Child:
    """A program in a process group of its own.

    Parameters
    ----------
    words : sequence of str
        The program by its path, and its words.
    errors : Path
        Where what it prints goes.
    keep : sequence of int
        File descriptors that it inherits.

    Notes
    -----
    The kernel ends it when the thread that started it ends, so that thread has to wait for it.
    """

    def __init__(self, words: Sequence[str], errors: Path, keep: Sequence[int] = ()) -> None:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
        with errors.open("wb") as printed:
            self._process = subprocess.Popen(
                [*launch, *words],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
                pass_fds=keep,
            )
        self.errors = errors

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def said(self) -> str:
        """Return what it printed, as one line."""
        text = self.errors.read_text(encoding="utf-8", errors="replace")
        return " ".join(text.split())[-300:] or "nothing"

    def wait(self, timeout_s: float) -> bool:
        """Wait until it ends by itself.

        Parameters
        ----------
        timeout_s : float
            How long.

        Returns
        -------
        bool
            Whether it has ended.
        """
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it and its whole group at once."""
        if not self.ended:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                # Its session is not made yet, or it has just ended.
                self._process.kill()
        self._process.wait(_ENDS_WITHIN_S)


def run_whole(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; when we are interrupted, all that it started ends with it.

    Parameters
    ----------
    words : sequence of str
        The program and its words.
    environment : mapping, optional
        Its environment; ours if left out.
    timeout_s : float, optional
        After how long it is ended.

    Returns
    -------
    CompletedProcess
        Its exit code and what it printed.

    Raises
    ------
    OSError
        If it cannot be started.
    subprocess.TimeoutExpired
        If it does not end by itself.
    """
    with subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            out, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                process.kill()
            raise
    return subprocess.CompletedProcess(list(words), process.returncode, out, errors)
