"""``migkit lab run``: a scenario on a real pair of QEMUs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.cli import options, output, show
from migkit.cli.inputs import scenario_path
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress

if TYPE_CHECKING:
    from migkit.lab.image import GuestImage

_EPILOG = """\
SCENARIO is a scenario's file, a shipped one's name (migkit scenarios lists them), or a capture to
record again.
The guest writes pages as its workload says; it needs no system and no rights. With --out the
capture is kept in DIR, where migkit validate, compare and read take it.

MOMENT is a time after migrate (3s), a state of the source (state:postcopy-active), or a trace
event of the source and how long after it (ram_save_complete+200ms, which is inside save_complete
of the memory). A cut can come to the byte, too: before the first byte of save_complete
(save_complete), behind so many pages of postcopy (postcopy:100), behind so many bytes
(bytes:8MiB).

What goes wrong can stand in the scenario's file, in a table failures:
  [failures]
  cut = "postcopy:100"
  recover = "1s"
  outages = "2s+500ms"
and kill, destination, disk as below. The link's loss, jitter and rates over time are the
scenario's own (link, link_profile, timeline); the tap that makes them tells what is modelled.

examples:
  migkit lab run postcopy-hot --out runs/postcopy
  migkit lab run captures/precopy-hot-tight --rule before
  migkit lab run postcopy-hot --cut ram_save_complete+200ms --recover 2s
  migkit lab run postcopy-hot --cut postcopy:500 --recover 1s
  migkit lab run postcopy-hot --kill dest@postcopy_start+200ms
  migkit lab run postcopy-hot --refuse wrong-memory
  migkit lab run to-file.toml --disk 8MiB
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
    _add_failures(parser)
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_failures(parser: options.Container) -> None:
    from migkit.lab.refusals import REFUSALS

    group = parser.add_argument_group("failures on purpose")
    group.add_argument("--cut", metavar="MOMENT", help="cut the connection")
    group.add_argument(
        "--recover",
        metavar="TIME",
        help="recover so long after both sides have noticed the cut: 1s",
    )
    group.add_argument("--kill", metavar="SIDE@MOMENT", help="end source or dest at once")
    group.add_argument(
        "--refuse",
        dest="destination",
        metavar="HOW",
        nargs="?",
        const="absent",
        help="the destination refuses: "
        + "; ".join(f"{name}: {told}" for name, told in REFUSALS.items())
        + " (default: absent)",
    )
    group.add_argument(
        "--disk",
        metavar="SIZE",
        help="what fits on the disk of a migration to a file: 8MiB",
    )
    group.add_argument(
        "--outage", dest="outages", metavar="BEGIN+LENGTH", help="nothing passes: 2s+500ms"
    )


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
    from migkit.lab.failures import written_failures
    from migkit.lab.scenario_file import read_lab_file

    output.check_file(arguments.json, "--json")
    output.check_folder(arguments.out, RESULT_FILE)
    image = _image(arguments)
    scenario, failures = read_lab_file(scenario_path(arguments.scenario))
    given = {name: getattr(arguments, name) for name in _FAILURES}
    own = {name: value for name, value in given.items() if value is not None}
    failures = written_failures(own, failures)
    with Progress() as progress, ends_with_us():
        capture = run_pair(
            scenario,
            arguments.out,
            rule=arguments.rule,
            qemu=arguments.qemu,
            failures=failures,
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


_FAILURES = ("cut", "recover", "kill", "destination", "disk", "outages")
