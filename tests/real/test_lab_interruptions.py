"""Interrupting what runs real QEMUs: nothing is left, at whatever moment it comes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from migkit.capture import read_capture
from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.scenario import Scenario
from real.pair import Pair, until

LIMIT_S = 120.0
"""Of every wait: far more than it takes."""
POSTCOPY: dict[str, Any] = {
    "memory": "32MiB",
    "workload": "uniform:500,pages=4000,base=1024,write=count",
    "bandwidth": "1MiB/s",
    "postcopy_bandwidth": "1MiB/s",
    "postcopy_at": "100ms",
}
FAILURES = '\n[failures]\ncut = "state:postcopy-active"\nrecover = "1h"\n'
MIGKIT = [sys.executable, "-m", "migkit"]


def scenario_file(folder: Path) -> Path:
    """Write a scenario that is cut in postcopy, and whose recovery is waited for."""
    lines = [f'{name} = "{value}"' for name, value in POSTCOPY.items()]
    file = folder / "scenario.toml"
    file.write_text("\n".join(lines) + FAILURES)
    return file


def processes(marker: str) -> list[int]:
    """Processes, other than this one, whose words hold the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in words and str(os.getpid()) != path.parent.name:
            found.append(int(path.parent.name))
    return found


class Running:
    """A command of migkit in a process of its own, with a scratch folder of its own."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.kept = folder / "kept"
        self._errors = (folder / "errors").open("w+b")
        self.process = subprocess.Popen(
            [*MIGKIT, *words, "--out", str(self.kept / "run")],
            env={**os.environ, "TMPDIR": str(self.scratch)},
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )

    def said(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_text()

    def wait_for(self, reached: Callable[[], Any], what: str) -> None:
        def there() -> Any:
            assert self.process.poll() is None, self.said()
            return reached()

        until(there, what, LIMIT_S)

    def logged(self, text: str, side: str = "source") -> bool:
        """Tell whether a side's log has a line with a text."""
        for log in self.scratch.glob(f"**/{side}.trace.log"):
            try:
                return text in log.read_text(errors="replace")
            except FileNotFoundError:
                return False
        return False

    def interrupt(self, number: signal.Signals, *, code: int = 130) -> None:
        """Interrupt it, twice for good measure, and look at what is left: nothing."""
        self.process.send_signal(number)
        self.process.send_signal(number)
        assert self.process.wait(LIMIT_S) == code, self.said()
        self._errors.close()
        assert Path(self._errors.name).read_text() == "migkit: interrupted\n"
        until(lambda: not processes(f"{self.scratch}/"), "end of all processes", LIMIT_S)
        assert list(self.scratch.iterdir()) == []
        assert not self.kept.exists() or list(self.kept.iterdir()) == []

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)
        for pid in processes(f"{self.scratch}/"):
            os.kill(pid, signal.SIGKILL)
        self._errors.close()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("while compiling the guest", signal.SIGINT),
        ("before the QEMUs speak", signal.SIGTERM),
        ("while migrating", signal.SIGINT),
        ("while recovering", signal.SIGTERM),
    ],
)
def test_a_lab_run_leaves_nothing(
    moment: str, number: signal.Signals, qemu_after: Qemu, tmp_path: Path
) -> None:
    words = ["lab", "run", str(scenario_file(tmp_path)), "--qemu", str(qemu_after.path)]
    with Running([*words, "--rule", "after"], tmp_path) as running:
        running.wait_for(
            lambda: list(running.scratch.glob("*/source.stderr.txt")) or "compiling" in moment,
            "QEMU",
        )
        if "compiling" in moment:
            running.wait_for(lambda: list(running.scratch.glob("*/*")), "compiler")
        if moment == "while migrating":
            running.wait_for(lambda: running.logged("new state active"), "migration")
        if moment == "while recovering":
            running.wait_for(
                lambda: all(
                    running.logged("new state postcopy-paused", side)
                    for side in ("source", "dest")
                ),
                "pause of both sides",
            )
        running.interrupt(number)


def test_a_lab_run_that_writes_leaves_nothing(qemu_before: Qemu, tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    Scenario.build(memory="32MiB", workload="idle").save(file)
    words = ["lab", "run", str(file), "--qemu", str(qemu_before.path), "--rule", "before"]
    with Running(words, tmp_path) as running:
        until(
            lambda: (
                list(running.kept.glob(".run.*/new/result.json"))
                or running.process.poll() is not None
            ),
            "half a capture",
            LIMIT_S,
        )
        running.process.send_signal(signal.SIGTERM)
        code = running.process.wait(LIMIT_S)
        assert code in (130, 0), running.said()
        assert list(running.scratch.iterdir()) == []
        # It may have been done with it: then it is whole.
        names = [path.name for path in running.kept.iterdir()]
        assert names in ([], ["run"])
        if names:
            assert len(read_capture(running.kept / "run").polls) > 0
        else:
            assert code == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_evidence_leaves_nothing(
    number: signal.Signals, qemu_before: Qemu, qemu_after: Qemu, tmp_path: Path
) -> None:
    words = ["reproduce", "--real", "--qemu", str(qemu_before.path)]
    with Running([*words, "--qemu", str(qemu_after.path)], tmp_path) as running:
        running.wait_for(lambda: running.logged("new state active"), "migration")
        running.interrupt(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tap_that_is_interrupted_tells_what_it_counted_and_ends_both(
    number: signal.Signals, qemu_after: Qemu, tmp_path: Path
) -> None:
    guest = build_guest(tmp_path)
    append = "beat=50 fill=1024,4096 phase=1,1024,99,2,0,1,1,7,0,0,0,0,0 write=1,1,8,4294967295"
    with Pair(qemu_after.command, tmp_path, guest, append, memory="32M") as pair:
        pair.enable("postcopy-ram", max_bandwidth=1 << 20, max_postcopy_bandwidth=1 << 20)
        pair.listen(f"unix:{tmp_path}/incoming")
        record = tmp_path / "record"
        words = ["tap", f"unix:{tmp_path}/tap", f"unix:{tmp_path}/incoming"]
        with subprocess.Popen(
            [*MIGKIT, *words, "--record", str(record), "--latency", "1ms"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            until((tmp_path / "tap").exists, "socket of the tap", LIMIT_S)
            pair.source.tell("migrate", uri=f"unix:{tmp_path}/tap")
            until(
                lambda: sum(file.stat().st_size for file in record.glob("*destination")) > 1 << 18,
                "bytes",
                LIMIT_S,
            )
            process.send_signal(number)
            out, error = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 130, error
        assert out.startswith("broken: ")
        assert "Traceback" not in error
        assert not (tmp_path / "tap").exists()
        assert pair.source.reached("failed") == "failed"
