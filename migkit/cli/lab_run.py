"""``migkit lab run``: a scenario on a real pair of QEMUs."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from migkit.cli import options, output, show
from migkit.cli.inputs import scenario_path
from migkit.cli.terminal import Progress

if TYPE_CHECKING:
    from migkit.lab.image import GuestImage
    from migkit.scenario import Scenario

_EPILOG = """\
SCENARIO is a scenario's file, a shipped one's name (migkit scenarios lists them), or a capture to
record again.
The guest writes pages as its workload says; it needs no system and no rights. With --out the
capture is kept in DIR, where migkit validate, compare and read take it.

MOMENT is a time after migrate (3s), or a trace event of the source and how long after it
(ram_save_complete+200ms, which is inside save_complete of the memory).

examples:
  migkit lab run postcopy-hot --out runs/postcopy
  migkit lab run captures/precopy-hot-tight --rule before
  migkit lab run postcopy-hot --cut ram_save_complete+200ms --recover 2s
  migkit lab run postcopy-hot --kill dest@postcopy_start+200ms
  migkit lab run postcopy-hot --image live.iso --boot 60s
"""


def add_parser(parts: options.Commands) -> None:
    """Add the part."""
    parser = parts.add_parser(
        "run",
        help="run a scenario on a real pair",
        description="Run a migration on two real QEMUs and record it as a capture.",
        epilog=_EPILOG,
    )
    add_run(parser)
    parser.add_argument(
        "--tap", action="store_true", help="count the stream's pages, on any version of QEMU"
    )
    own = parser.add_argument_group("a guest of your own, instead of the workload guest")
    own.add_argument(
        "--image",
        metavar="FILE",
        type=Path,
        help="a kernel, an ISO image or a disk (raw, qcow2), which is opened read-only",
    )
    own.add_argument("--append", metavar="TEXT", default="", help="command line of a kernel")
    own.add_argument("--initrd", metavar="FILE", type=Path, help="initial RAM disk of a kernel")
    own.add_argument(
        "--boot",
        metavar="TIME",
        help="how long it boots before migrate (default: 10s)",
    )
    failures = parser.add_argument_group("failures on purpose")
    failures.add_argument("--cut", metavar="MOMENT", help="cut the connection")
    failures.add_argument(
        "--recover", metavar="TIME", help="try to recover so long after the cut: 2s"
    )
    failures.add_argument("--kill", metavar="SIDE@MOMENT", help="end source or dest at once")
    failures.add_argument(
        "--refuse", action="store_true", help="nothing listens where the source connects to"
    )
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def add_run(parser: options.Container) -> None:
    """Add what every run on a real pair takes."""
    parser.add_argument(
        "scenario", metavar="SCENARIO", help="a file, a shipped scenario, or a capture"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="keep the capture here; a new or empty folder, or an earlier capture",
    )
    parser.add_argument(
        "--rule",
        choices=("before", "after"),
        help="completion rule, whose QEMU is taken (default: the scenario's)",
    )
    options.add_qemu(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run and show."""
    from migkit.capture import RESULT_FILE
    from migkit.lab import run as run_pair
    from migkit.lab.running import read_lab_scenario

    output.check_file(arguments.json, "--json")
    output.check_folder(arguments.out, RESULT_FILE)
    image = _image(arguments)
    path = scenario_path(arguments.scenario)
    scenario = _with_failures(read_lab_scenario(path), arguments)
    with Progress() as progress, ends_with_us():
        capture = run_pair(
            scenario,
            arguments.out,
            rule=arguments.rule,
            qemu=arguments.qemu,
            kill=arguments.kill,
            tap=arguments.tap,
            image=image,
            say=progress.status,
        )
    if arguments.json is not None:
        told = {**show.to_dict(capture), "result": capture.result}
        output.write_json(told, arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print("\n".join([show.report(capture), *result_lines(capture.result)]))
    return 0


def _image(arguments: argparse.Namespace) -> GuestImage | None:
    from migkit.errors import InputError
    from migkit.lab.image import GuestImage
    from migkit.units import parse_duration

    if arguments.image is None:
        for name in ("append", "initrd", "boot"):
            if getattr(arguments, name):
                raise InputError.of(
                    f"--{name} {getattr(arguments, name)}",
                    "the workload guest takes none",
                    "give --image too, or leave it out",
                )
        return None
    boot_s = parse_duration(arguments.boot or "10s", "--boot") / 1e9
    return GuestImage(arguments.image, arguments.append, arguments.initrd, boot_s)


def _with_failures(scenario: Scenario, arguments: argparse.Namespace) -> Scenario:
    from migkit.errors import InputError
    from migkit.lab.failures import cut_at, recovery_after
    from migkit.scenario.timeline import TimelineItem

    items = list(scenario.timeline)
    if arguments.cut is not None:
        items.append(cut_at(arguments.cut))
    if arguments.recover is not None:
        items += recovery_after(items, arguments.recover)
    if arguments.refuse:
        items.append(TimelineItem("connect-failure", at_s=0))
    if arguments.kill is not None and "@" not in arguments.kill:
        raise InputError.of(f"--kill {arguments.kill}", "no moment", "write dest@3s")
    return dataclasses.replace(scenario, timeline=tuple(items))


def reproduce_real(arguments: argparse.Namespace) -> int:
    """Make the evidence of the rewrite with real QEMUs, and judge it."""
    from migkit.lab.rewrite import EVIDENCE_FILE, reproduce_rewrite

    out = arguments.out if arguments.out is not None else Path("reproduction-real")
    output.check_folder(out, EVIDENCE_FILE)
    with Progress() as progress, ends_with_us():
        evidence = reproduce_rewrite(out, qemu=arguments.qemu, say=progress.say)
    if arguments.json is not None:
        output.write_json(evidence.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(f"{evidence}\n\ncaptures in {out}")
    return 0 if evidence.holds else 1


def result_lines(result: dict[str, Any]) -> list[str]:
    """Say what a real run tells beside its summary: states around a cut, and who runs the guest.

    Parameters
    ----------
    result : dict
        The capture's ``result.json``.

    Returns
    -------
    list of str
        Lines.
    """
    lines = []
    outcome = result["outcome"]
    if isinstance(outcome, dict):
        for moment, states in outcome.items():
            told = ", ".join(f"{side} {state}" for side, state in states.items())
            lines.append(f"{moment.replace('_', ' '):<18} {told}")
    if "tap" in result:
        inside = result["tap"]["pages_in_save_complete"]
        lines.append(f"{'in save_complete':<18} {inside} pages, counted in the stream")
    if "heartbeat" in result:
        running = [side for side, row in result["heartbeat"].items() if row["beating"]]
        lines.append(f"{'guest runs on':<18} {' and '.join(running) or 'neither side'}")
    versions = {side: row["version"] for side, row in result.get("qemu", {}).items()}
    lines.append(f"{'QEMU':<18} " + ", ".join(f"{s} {v}" for s, v in versions.items()))
    return lines


@contextlib.contextmanager
def ends_with_us() -> Iterator[None]:
    """Let a request to terminate end everything in order, as an interruption does.

    A signal that the process was started to ignore, as by ``nohup``, stays ignored.
    """

    def interrupted(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    heard = [number for number in _REQUESTS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupted) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_REQUESTS = (signal.SIGTERM, signal.SIGHUP)
