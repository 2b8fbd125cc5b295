"""``migkit reproduce``: the evidence, the notebooks, the figures and the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import options, output
from migkit.cli.terminal import Progress

_EPILOG = """\
Makes the evidence for QEMU commit 7aaa1fc072 from the shipped recordings and in simulation,
executes the notebooks, exports their figures, and writes report.html and report.json. The folder
appears whole or not at all; an earlier result in it is replaced. --json writes report.json's
content to another place too.

examples:
  migkit reproduce
  migkit reproduce --out reproduction/
  migkit reproduce --captures ../captures --without-notebooks
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "reproduce",
        help="remake the evidence, notebooks, figures and the report",
        description="Remake the evidence, the notebooks, the figures and the report.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("reproduction"),
        help="the folder to write (default: reproduction)",
    )
    parser.add_argument(
        "--captures",
        metavar="DIR",
        type=Path,
        help="a folder of captures to use instead of the shipped selection",
    )
    parser.add_argument("--without-notebooks", action="store_true", help="leave the notebooks out")
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Reproduce, and print the short report."""
    from migkit import reproduce
    from migkit.report import report_dict, report_text

    output.check_file(arguments.json, "--json")
    output.check_folder(arguments.out, reproduce.REPORT_FILE)
    inputs = reproduce.find_inputs(
        arguments.captures, with_notebooks=not arguments.without_notebooks
    )
    with Progress() as progress:
        report = reproduce.reproduce(inputs, arguments.out, arguments.engine, progress.say)
    if arguments.json is not None:
        output.write_json(report_dict(report), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(report_text(report))
        print(f"\nOpen {arguments.out / reproduce.PAGE_FILE}")
    return 0
