"""``migkit compare``: the first pass at which two runs part."""

from __future__ import annotations

import argparse
from pathlib import Path

from migkit.cli import options, output

_EPILOG = """\
REAL and TWIN are each a capture (a folder with scenario.json, result.json and trace logs), a trace
log of QEMU, or a folder that migkit simulate --out has stored. Without TWIN the scenario of REAL
is simulated. Times run from the first pass of each run; differences are TWIN minus REAL; what one
side cannot tell is no difference.

examples:
  migkit compare captures/precopy-hot-tight
  migkit compare captures/precopy-hot-tight --tolerance 5ms
  migkit compare captures/postcopy-uniform-before captures/postcopy-uniform-after
  migkit compare source.trace.log.gz run1 --json parting.json
  migkit compare captures/precopy-hot-tight --figure parting

exit codes: 0 the same within the tolerance; 1 they part; 2 wrong input
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "compare",
        help="find the first pass at which two runs part",
        description="Find the first pass at which two runs part, by how much and in what.",
        epilog=_EPILOG,
    )
    parser.add_argument("real", metavar="REAL", type=Path, help="capture, trace log, or tables")
    parser.add_argument(
        "twin",
        metavar="TWIN",
        nargs="?",
        type=Path,
        help="the other run (default: the scenario of REAL, simulated)",
    )
    parser.add_argument(
        "--tolerance",
        metavar="TIME",
        default="1ms",
        help="how far apart times may be (default: 1ms); bytes and pages are compared exactly",
    )
    options.add_figure(parser)
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print where they part, write JSON and figure."""
    from migkit.compare import compare

    output.check_file(arguments.json, "--json")
    output.check_file(arguments.figure, "--figure")
    comparison = compare(
        arguments.real,
        arguments.twin,
        tolerance=arguments.tolerance,
        engine=arguments.engine,
    )
    if arguments.figure is not None:
        from migkit import figures

        sides = {"real": comparison.real.provenance, "twin": comparison.twin.provenance}
        figures.save(figures.parting(comparison), arguments.figure, provenance=sides)
    if arguments.json is not None:
        output.write_json(comparison.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(repr(comparison))
    return 0 if comparison.same else 1
