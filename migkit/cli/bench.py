"""``migkit bench``: how fast the engine is on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from migkit.cli import options, output
from migkit.cli.terminal import Progress

_EPILOG = """\
The engine simulates a guest of 8 GiB, so does a page-level simulator in NumPy and the plain-Python
oracle; times are compared when all three give the same bytes, pages, syncs and times. Then come a
guest of 1 TiB, how the cost grows, two threads, and what each capability costs while it is on.

Times are processor time of this process, medians of several runs; ratios and exponents come from
runs in the same process.

examples:
  migkit bench
  migkit bench --quick
  migkit bench --json bench.json

exit codes: 0 measured, with equal results; 1 the results differ; 2 wrong input
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "bench",
        help="how fast the engine is on this machine",
        description="Measure the engine against its oracle and a simulator in NumPy.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a 64th of the memory: whether it works, in seconds"
    )
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table or the JSON."""
    from migkit.bench import benchmark

    output.check_file(arguments.json, "--json")
    with Progress() as progress:
        found = benchmark(quick=arguments.quick, say=progress.say)
    if arguments.json is not None:
        output.write_json(found, arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(_table(found))
    return 0 if found["figures"]["equal_results"] else 1


def _table(found: dict[str, Any]) -> str:
    """Lay out the figures, times with their spread, and name the machine."""
    from migkit.text_table import text_table

    rows = []
    for name, value in found["figures"].items():
        spread = found["spread"].get(name)
        ends = ("", "") if spread is None else (f"{spread['min']:.4g}", f"{spread['max']:.4g}")
        shown = str(value) if isinstance(value, bool | int) else f"{value:.4g}"
        rows.append({"figure": name, "value": shown, "min": ends[0], "max": ends[1]})
    where = found["machine"]
    load = where["load_average"]
    busy = "" if load is None else f", load {load:.1f}"
    machine = f"{where['processor']}, {where['cores']} cores{busy}"
    return f"{text_table(rows, left=['figure'])}\n\n{machine}"
