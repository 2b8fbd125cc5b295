"""``migkit lab``: real QEMUs, found or installed, and run in pairs."""

from __future__ import annotations

import argparse
from typing import Any

from migkit.cli import lab_run, lab_twin, options, output
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress

_EPILOG = """\
examples:
  migkit lab install
  migkit lab status
  migkit lab run postcopy-hot --out runs/first
"""

_INSTALL_EPILOG = """\
Fetches Debian's packages of QEMU with apt, from the mirror and with the keys that this system's
apt uses, into a folder of the user's cache (or $MIGKIT_LAB). Needs no rights, and changes nothing
else.

examples:
  migkit lab install
  migkit lab install --rule before
"""

_STATUS_EPILOG = """\
A QEMU up to 10.0 follows the completion rule "before", 10.1 and newer follow "after".

examples:
  migkit lab status
  migkit lab status --qemu ~/qemu/build/qemu-system-x86_64 --json
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "lab",
        help="run migrations on real QEMUs: install, status, run, twin",
        description="Install real QEMUs without rights, and run pairs of them.",
        epilog=_EPILOG,
    )
    parts = parser.add_subparsers(title="parts", metavar="PART", dest="part", required=True)
    _add_install(parts)
    _add_status(parts)
    lab_run.add_parser(parts)
    lab_twin.add_parser(parts)


def _add_install(parts: options.Commands) -> None:
    parser = parts.add_parser(
        "install",
        help="install QEMUs into the user's cache",
        description="Install a QEMU of each completion rule into the user's cache.",
        epilog=_INSTALL_EPILOG,
    )
    parser.add_argument(
        "--rule",
        choices=("before", "after", "both"),
        default="both",
        help="which completion rule it follows (default: both)",
    )
    parser.add_argument(
        "--mirror",
        metavar="ADDRESS",
        help="a mirror of Debian, instead of the one that the system's apt uses",
    )
    options.add_json(parser)
    parser.set_defaults(run=_install, parser=parser)


def _add_status(parts: options.Commands) -> None:
    parser = parts.add_parser(
        "status",
        help="which QEMUs are there",
        description="List the QEMUs that can be used, with version, rule and firmware.",
        epilog=_STATUS_EPILOG,
    )
    options.add_qemu(parser)
    options.add_json(parser)
    parser.set_defaults(run=_status, parser=parser)


def _install(arguments: argparse.Namespace) -> int:
    from migkit.lab import install

    output.check_file(arguments.json, "--json")
    with Progress() as progress, ends_with_us():
        found = install(arguments.rule, mirror=arguments.mirror, say=progress.say)
    return _show(found, arguments)


def _status(arguments: argparse.Namespace) -> int:
    from migkit.lab import find_qemus

    output.check_file(arguments.json, "--json")
    return _show(find_qemus(arguments.qemu), arguments)


def _show(found: list[Any], arguments: argparse.Namespace) -> int:
    from migkit.lab.qemus import lab_folder
    from migkit.text_table import text_table

    rows = [
        {
            "version": qemu.version_text,
            "rule": qemu.rule,
            "origin": qemu.origin,
            "path": str(qemu.path),
            "firmware": [str(place) for place in qemu.firmware],
        }
        for qemu in found
    ]
    if arguments.json is not None:
        output.write_json({"lab": str(lab_folder()), "qemus": rows}, arguments.json)
    if arguments.json == options.STANDARD_OUTPUT:
        return 0
    shown = [{**row, "firmware": " ".join(row["firmware"]) or "its own"} for row in rows]
    print(text_table(shown, left=list(shown[0])) if shown else "no QEMU found")
    for rule in ("before", "after"):
        if arguments.run is _status and rule not in {row["rule"] for row in rows}:
            print(f"none follows the rule {rule!r}: run migkit lab install --rule {rule}")
    return 0
