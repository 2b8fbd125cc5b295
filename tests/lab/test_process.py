"""Programs of the lab end with it: when told, with their group, and when it is killed itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migkit.lab.process import Child

LINUX = sys.platform == "linux"


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def wait_until(condition: object, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


if LINUX:

    def test_it_and_what_it_started_end_when_told(tmp_path: Path) -> None:
        script = "sleep 600 & echo $! > inner; echo said; wait"
        child = Child(["/bin/sh", "-c", f"cd {tmp_path}; {script}"], tmp_path / "errors")
        assert wait_until(lambda: (tmp_path / "inner").is_file() and child.said() == "said")
        inner = int((tmp_path / "inner").read_text())
        assert runs(inner)
        child.kill()
        assert child.ended
        assert wait_until(lambda: not runs(inner))

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_it_ends_when_we_are_killed(number: signal.Signals, tmp_path: Path) -> None:
        code = (
            "import sys, time; from pathlib import Path; from migkit.lab.process import Child\n"
            f"child = Child(['/bin/sleep', '600'], Path({str(tmp_path / 'errors')!r}))\n"
            "print(child.pid, flush=True); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            # Before it is the program, it is still the one that sets how it ends.
            assert wait_until(lambda: b"sleep\0" in Path(f"/proc/{pid}/cmdline").read_bytes()[:12])
            os.kill(parent.pid, number)
            parent.wait(60)
        assert wait_until(lambda: not runs(pid))
