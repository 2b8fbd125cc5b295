"""``migkit stream show``: what a migration put on the wire."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from migkit.cli import options, output

_EPILOG = """\
FILE is a main stream: of migrate file:, of exec:, or of a tap of the socket; - reads a pipe.

examples:
  migkit stream show memory.mig
  migkit stream show main.bin --channel multifd-0.bin --channel multifd-1.bin
  migkit stream show main.bin --return-path replies.bin --json stream.json
  xz -dc stream.xz | migkit stream show -
  (qemu) migrate "exec:migkit stream show - > stream.txt"
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "stream",
        help="read a migration stream: sections, sizes, pages by kind",
        description="Read QEMU's migration stream.",
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="sections, sizes, pages by kind and by section, counters",
        description="Show sections, sizes and pages of a migration stream, without trace points.",
        epilog=_EPILOG,
    )
    show.add_argument("file", metavar="FILE|-", help="the main stream")
    _add_sources(show)
    show.add_argument(
        "--partial",
        action="store_true",
        help="show a stream that breaks off as far as it goes; the exit code is 1 then",
    )
    options.add_json(show)
    show.set_defaults(run=run, parser=show)


def _add_sources(show: argparse.ArgumentParser) -> None:
    show.add_argument(
        "--channel",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="another channel: of multifd, of postcopy-preempt, or the main stream after a "
        "recovery; may be given again",
    )
    show.add_argument(
        "--return-path", metavar="FILE", type=Path, help="what the destination answered"
    )
    show.add_argument(
        "--offset",
        metavar="BYTES",
        default=0,
        type=options.whole_number,
        help="where the stream begins in FILE (default: 0)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read and show."""
    from migkit.stream import read_stream
    from migkit.stream.views import report, to_dict

    output.check_file(arguments.json, "--json")
    stream = read_stream(
        sys.stdin.buffer if arguments.file == "-" else arguments.file,
        channels=arguments.channel,
        return_path=arguments.return_path,
        offset=arguments.offset,
        pages=False,
        partial=arguments.partial,
    )
    if arguments.json is not None:
        output.write_json(to_dict(stream), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(report(stream))
    if stream.error is None:
        return 0
    print(f"migkit: {stream.error}", file=sys.stderr)
    return 1
