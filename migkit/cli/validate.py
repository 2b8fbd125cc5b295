"""``migkit validate``: the twin against recorded migrations."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import options, output
from migkit.cli.terminal import Progress

_EPILOG = """\
Every scenario is built from the capture's scenario.json alone and simulated; the result is then
compared with result.json and the source's trace log. Captures that use a capability which is not
simulated are listed with its name.

examples:
  migkit validate captures
  migkit validate captures/idle captures/precopy-hot-after
  migkit validate captures --json validation.json
  migkit validate captures --expect total-time-error=1% --expect dirty-syncs=90%

exit codes: 0 compared, and every --expect met; 1 an expectation was not met; 2 wrong input
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
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Validate, print the table, write the JSON."""
    from migkit.validate import validate, validation_table

    output.check_file(arguments.json, "--json")
    with Progress() as progress:
        validation = validate(arguments.folders, engine=arguments.engine, progress=progress.step)
    if arguments.json is not None:
        output.write_json(validation.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(validation_table(validation))
    return 0
