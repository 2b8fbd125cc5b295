"""``migkit calibrate``: a host profile from recorded migrations."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import options, output
from migkit.cli.terminal import Progress
from migkit.errors import InputError

_EPILOG = """\
Every cost is read off QEMU's own trace logs: steps of the destination directly, the others by
comparison with the same span in the log of the simulated twin, until both show the same median.
The noise is the scatter between the recordings. Total times and byte counts are not fitted. Each
number of the profile is reported: fitted, with standard error and 90 % interval; not identified,
which keeps the base's value; or given. Then every capture is simulated with the fitted profile and
with the one that ships: which numbers stay unexplained and by how much, and which profile is
closer.

examples:
  migkit calibrate captures --out myhost.json
  migkit calibrate captures/idle captures/precopy-hot-after --json

exit codes: 0 calibrated; 2 wrong input
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "calibrate",
        help="fit a host profile on recorded migrations",
        description="Fit a host profile on recorded migrations.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "folders", metavar="DIR", nargs="+", type=Path, help="a capture, or a folder of captures"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write the profile to FILE (ends in .json)"
    )
    parser.add_argument(
        "--base",
        metavar="HOST",
        default="captures",
        help="profile to begin with, a name or a file (default: captures)",
    )
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, write the profile, print the table or the JSON."""
    from migkit.calibrate import calibrate

    output.check_file(arguments.json, "--json")
    output.check_file(arguments.out, "--out")
    if arguments.out is not None and arguments.out.suffix != ".json":
        raise InputError.of(f"--out {arguments.out}", "not a .json file", "name such a file")
    name = "calibrated" if arguments.out is None else arguments.out.stem
    with Progress() as progress:
        found = calibrate(arguments.folders, arguments.base, name, progress.step)
    if arguments.out is not None:
        found.save(arguments.out)
    if arguments.json is not None:
        output.write_json(found.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(found)
    return 0
