"""``migkit scenarios``: the scenarios that ship with the toolkit."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from migkit.cli import options, output

_EPILOG = """\
examples:
  migkit scenarios
  migkit scenarios commit-7aaa1fc072
  migkit scenarios commit-7aaa1fc072 > mine.toml
  migkit simulate --scenario mine.toml
  migkit scenarios --json
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "scenarios",
        help="list the shipped scenarios, or print one",
        description="List the shipped scenarios, or print the file of one.",
        epilog=_EPILOG,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="print this one's file")
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """List or print."""
    from migkit import datasets

    output.check_file(arguments.json, "--json")
    names = [arguments.name] if arguments.name else datasets.scenario_names()
    files = [datasets.scenario_file(name) for name in names]
    entries = [_entry(file) for file in files]
    if arguments.json is not None:
        output.write_json(entries[0] if arguments.name else entries, arguments.json)
    if arguments.json == options.STANDARD_OUTPUT:
        return 0
    if arguments.name:
        print(files[0].read_text(encoding="utf-8"), end="")
        return 0
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        print(f"{entry['name']:<{width}}  {entry['description']}")
    return 0


def _entry(path: Path) -> dict[str, Any]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    description = " ".join(str(table.pop("description", "")).split())
    return {"name": path.stem, "description": description, "scenario": table}
