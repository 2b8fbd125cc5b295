"""A request to terminate ends a command in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

LIMIT_S = 120.0


def test_reproduce_that_is_terminated_leaves_nothing(tmp_path: Path) -> None:
    words = ["reproduce", "--without-notebooks", "--out", str(tmp_path / "kept")]
    with subprocess.Popen(
        [sys.executable, "-m", "migkit", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        end = time.monotonic() + LIMIT_S
        while not list(tmp_path.iterdir()) and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.005)
        process.terminate()
        _, error = process.communicate(timeout=LIMIT_S)
    if process.returncode == 0:  # it was done before
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]
        return
    assert process.returncode == 128 + signal.SIGINT
    assert error == b"migkit: interrupted\n"
    assert list(tmp_path.iterdir()) == []
