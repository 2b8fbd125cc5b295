"""``migkit validate``: the twin against recorded migrations."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from migkit.cli import options, output
from migkit.cli.terminal import Progress

if TYPE_CHECKING:
    from migkit.validate import Validation

_EPILOG = """\
Every scenario is built from the capture's scenario.json alone and simulated; the result is then
compared with result.json and the source's trace log. Captures that use a capability which is not
simulated are listed with its name.

examples:
  migkit validate captures
  migkit validate captures/idle captures/precopy-hot-after
  migkit validate captures --json validation.json
  migkit validate captures/precopy-* --max-error 1

exit codes: 0 compared, and within --max-error if given; 1 further off than that; 2 wrong input
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "validate",
        help="compare recorded migrations with their simulated twins",
        description="Compare recorded migrations with their simulated twins.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "folders", metavar="DIR", nargs="+", type=Path, help="a capture, or a folder of captures"
    )
    parser.add_argument(
        "--max-error",
        metavar="PERCENT",
        type=options.percentage,
        help="end with exit code 1 if total time or precopy bytes of a simulated capture are "
        "further off than this",
    )
    parser.add_argument(
        "--replicates",
        metavar="N",
        type=options.whole_number,
        default=0,
        help="simulate each capture N more times with the host's noise, for 90 %% intervals",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=options.whole_number,
        default=1,
        help="work on N captures at once (default: 1); the numbers are the same",
    )
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Validate, print the table, write the JSON."""
    from migkit.validate import validate, validation_table

    output.check_file(arguments.json, "--json")
    with Progress() as progress:
        validation = validate(
            arguments.folders,
            engine=arguments.engine,
            progress=progress.step,
            replicates=arguments.replicates,
            threads=arguments.threads,
        )
    if arguments.json is not None:
        output.write_json(validation.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(validation_table(validation))
    return 0 if arguments.max_error is None else _judged(validation, arguments.max_error)


def _judged(validation: Validation, limit_percent: float) -> int:
    """Name the captures that are further off than allowed; return the exit code."""
    errors = {
        (item.name, number): item.absolute_percentage_error(number)
        for item in validation.comparisons
        for number in ("total_time_ms", "precopy_bytes")
    }
    off = {place: error for place, error in errors.items() if (error or 0) > limit_percent}
    for (name, number), error in off.items():
        message = f"{name}: {number} is {error:.3g} % off, allowed {limit_percent:g} %"
        print(f"migkit: {message}", file=sys.stderr)
    return 1 if off else 0
