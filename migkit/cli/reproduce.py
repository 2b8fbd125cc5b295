"""``migkit reproduce``: the evidence, the notebooks, the figures and the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import lab_run, options, output
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress
from migkit.errors import InputError

_EPILOG = """\
Makes the evidence for QEMU commit 7aaa1fc072 from the shipped recordings and in simulation,
executes the notebooks, exports their figures, and writes report.html and report.json. The folder
appears whole or not at all; an earlier result in it is replaced. --json writes report.json's
content to another place too.

With --real the evidence is made again on this machine, from nothing: QEMUs of both rules are
installed into the user's cache if there are none, a migration runs with each, and each is cut
inside save_complete and recovered. The captures and evidence.json go into the folder. Half a
minute; the exit code is 1 if a statement does not hold.

examples:
  migkit reproduce
  migkit reproduce --out reproduction/
  migkit reproduce --real --out reproduction-real/
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
        help="the folder to write (default: reproduction; with --real reproduction-real)",
    )
    parser.add_argument(
        "--captures",
        metavar="DIR",
        type=Path,
        help="a folder of captures to use instead of the shipped selection",
    )
    parser.add_argument("--without-notebooks", action="store_true", help="leave the notebooks out")
    parser.add_argument(
        "--real", action="store_true", help="run real QEMUs instead, see below; takes --qemu too"
    )
    options.add_qemu(parser)
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Reproduce, and print the short report."""
    from migkit import reproduce
    from migkit.report import report_dict, report_text

    output.check_file(arguments.json, "--json")
    _check_together(arguments)
    if arguments.real:
        return lab_run.reproduce_real(arguments)
    if arguments.out is None:
        arguments.out = Path("reproduction")
    output.check_folder(arguments.out, reproduce.REPORT_FILE)
    inputs = reproduce.find_inputs(
        arguments.captures, with_notebooks=not arguments.without_notebooks
    )
    with Progress() as progress, ends_with_us():
        report = reproduce.reproduce(inputs, arguments.out, arguments.engine, progress.say)
    if arguments.json is not None:
        output.write_json(report_dict(report), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(report_text(report))
        print(f"\nOpen {arguments.out / reproduce.PAGE_FILE}")
    return 0


def _check_together(arguments: argparse.Namespace) -> None:
    """Refuse an option of the other kind of run, which would go unheeded."""
    of_real = {"--qemu": arguments.qemu}
    of_shipped = {
        "--captures": arguments.captures,
        "--without-notebooks": arguments.without_notebooks,
        "--engine": arguments.engine != "compiled",
    }
    for option, given in (of_shipped if arguments.real else of_real).items():
        if given:
            found = "nothing is simulated with --real" if arguments.real else "needs --real"
            raise InputError.of(f"reproduce {option}", found, "leave one of the two out")
