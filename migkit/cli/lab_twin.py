"""``migkit lab twin``: a scenario on a real pair and in simulation, side by side."""

from __future__ import annotations

import argparse

from migkit.cli import lab_run, options, output
from migkit.cli.inputs import scenario_path
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress

_EPILOG = """\
The scenario runs on a real pair first; then what was run, with the moments at which each command
was really given, is simulated. Printed are the numbers of both, and the first pass at which they
part; migkit compare looks closer at a capture kept with --out.

examples:
  migkit lab twin postcopy-hot
  migkit lab twin captures/precopy-hot-tight --out runs/tight --figure runs/tight-twin
"""


def add_parser(parts: options.Commands) -> None:
    """Add the part."""
    parser = parts.add_parser(
        "twin",
        help="run a scenario and simulate it, side by side",
        description="Run a scenario on a real pair, simulate it, and compare.",
        epilog=_EPILOG,
    )
    lab_run.add_run(parser)
    options.add_figure(parser)
    options.add_json(parser)
    options.add_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Run both, print, write JSON and figure."""
    from migkit.capture import RESULT_FILE
    from migkit.compare import compare
    from migkit.lab import run_twins

    output.check_file(arguments.json, "--json")
    output.check_file(arguments.figure, "--figure")
    output.check_folder(arguments.out, RESULT_FILE)
    with Progress() as progress, ends_with_us():
        twins = run_twins(
            scenario_path(arguments.scenario),
            arguments.out,
            rule=arguments.rule,
            qemu=arguments.qemu,
            engine=arguments.engine,
            say=progress.status,
        )
    comparison = compare(twins.real, twins.simulated)
    if arguments.figure is not None:
        from migkit import figures

        sides = {"real": twins.real.provenance, "twin": twins.simulated.provenance}
        figures.save(figures.parting(comparison), arguments.figure, provenance=sides)
    if arguments.json is not None:
        told = {"values": twins.rows(), "comparison": comparison.to_dict()}
        output.write_json(told, arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(f"{twins}\n\n{comparison!r}")
    return 0
