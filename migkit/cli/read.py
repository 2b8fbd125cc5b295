"""``migkit read``: a recorded migration, its rounds and summary."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import options, output

_EPILOG = """\
PATH is a capture (a folder with scenario.json, result.json and trace logs), a trace log of QEMU
in any of its three forms, plain or .gz, or a folder that migkit simulate --out has stored.

examples:
  migkit read captures/postcopy-hot-before
  migkit read source.trace.log.gz
  migkit read captures/idle --json idle.json
  migkit read captures/idle --trace pid | grep migrate_pending
  migkit read captures/idle --out idle-tables --format csv
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "read",
        help="read a recorded migration: rounds, summary, tables",
        description="Read a recorded migration.",
        epilog=_EPILOG,
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="capture, trace log, or tables")
    options.add_json(parser)
    options.add_tables(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Read and show."""
    from migkit.compare import read_run

    output.check_results(arguments)
    migration = read_run(arguments.path)
    output.deliver(migration, arguments)
    return 0
