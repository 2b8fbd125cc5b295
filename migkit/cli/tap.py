"""``migkit tap``: a relay between two QEMUs that counts what passes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from migkit.cli import options, output
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress
from migkit.errors import InputError

if TYPE_CHECKING:
    from migkit.tap import Tap, TapResult

_EPILOG = """\
Start the destination with -incoming TARGET, then the tap, then migrate the source to LISTEN. All
connections pass: the main one with its return path, multifd, preempt, and those of a recovery.
The tap ends with the migration, or with Ctrl-C; it tells what it has counted either way.

A cut breaks all connections, once, to the byte:
  save_complete    before the first byte that save_complete of RAM writes
  postcopy:PAGES   behind so many pages of postcopy
  time:DURATION    so long after the first byte
  bytes:SIZE       behind so many bytes to the destination

A tap ends TCP on both sides, so no packet gets lost. What TCP makes of a loss is modelled, as in
a simulation with the same link: the mean rate falls, a message that lost a packet comes a round
trip or a timeout later, and what follows it waits. After an outage TCP goes on at its first
retransmission that gets through.

examples:
  migkit tap tcp:127.0.0.1:4444 tcp:127.0.0.1:4445
  migkit tap tcp:127.0.0.1:4444 unix:/run/destination --rate 100MiB/s --latency 5ms
  migkit tap tcp:127.0.0.1:4444 tcp:127.0.0.1:4445 --rate 1Gbit/s --latency 5ms --loss 0.01%
  migkit tap tcp:127.0.0.1:4444 tcp:127.0.0.1:4445 --profile 0s:1Gbit/s,5s:50Mbit/s --outage 8s+1s
  migkit tap tcp:127.0.0.1:4444 tcp:127.0.0.1:4445 --cut save_complete --json tap.json
  migkit tap tcp:127.0.0.1:4444 tcp:127.0.0.1:4445 --record channels/ --frames frames/
  migkit stream show channels/channel-0-to-destination --return-path channels/channel-0-to-source
"""
_TICK_S = 0.2


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "tap",
        help="relay between two QEMUs: count, limit, delay, cut",
        description="Pass on a migration between two QEMUs, and count its pages by section, by "
        "round and by time.",
        epilog=_EPILOG,
    )
    parser.add_argument("listen", metavar="LISTEN", help="where the source connects to")
    parser.add_argument("target", metavar="TARGET", help="where the destination listens")
    parser.add_argument("--rate", help="limit of the way to the destination, such as 100MiB/s")
    parser.add_argument("--latency", help="how long each byte is on its way, each way: 5ms")
    add_link(parser)
    _add_cut(parser)
    _add_kept(parser)
    options.add_json(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_cut(parser: options.Container) -> None:
    parser.add_argument("--cut", metavar="EVENT", help="break all connections there, see below")
    parser.add_argument(
        "--after-cut",
        choices=("pass", "refuse"),
        default="pass",
        help="what becomes of connections after a cut (default: pass, for a recovery)",
    )
    parser.add_argument(
        "--wait",
        metavar="DURATION",
        default="10s",
        help="how long to wait for a recovery after the stream broke off (default: 10s)",
    )


def _add_kept(parser: options.Container) -> None:
    parser.add_argument(
        "--record", metavar="DIR", type=Path, help="keep the bytes of each channel in a file"
    )
    parser.add_argument(
        "--record-limit",
        metavar="SIZE",
        default="16GiB",
        help="keep no more than this (default: 16GiB)",
    )
    parser.add_argument("--frames", metavar="DIR", type=Path, help="store all tables there")
    parser.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="format of the tables"
    )


def add_link(parser: options.Container) -> None:
    """Add the words for a link that is worse than this machine's."""
    group = parser.add_argument_group("the link")
    group.add_argument("--loss", metavar="SHARE", help="packets that get lost: 0.1%%")
    group.add_argument("--jitter", metavar="DURATION", help="most that a message is late: 2ms")
    group.add_argument(
        "--link",
        action="append",
        type=options.assignment,
        metavar="NAME=VALUE",
        help="more of it, as for migkit simulate: window=4MiB, return-latency=1ms, timeout=200ms, "
        "competing=500Mbit/s, flows=3, recovery-bandwidth=1Gbit/s; may be repeated",
    )
    group.add_argument(
        "--profile",
        metavar="STEPS",
        help="its rate over time after the first byte: 0s:1Gbit/s,5s:100Mbit/s",
    )
    group.add_argument(
        "--outage",
        metavar="BEGIN+LENGTH",
        help="nothing passes in that time: 2s+500ms; several with commas",
    )
    group.add_argument(
        "--seed", type=int, default=1, help="of the draws of jitter and loss (default: 1)"
    )


def link_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the fields of the link that were given."""
    named = {name: getattr(arguments, name) for name in ("loss", "jitter")}
    given = {name: value for name, value in named.items() if value is not None}
    return given | dict(arguments.link or ())


def run(arguments: argparse.Namespace) -> int:
    """Pass on until the migration is over, then tell what passed."""
    from migkit.tap import Tap
    from migkit.units import parse_duration

    output.check_file(arguments.json, "--json")
    output.check_folder(arguments.frames, "tap.json", "--frames")
    linger_s = parse_duration(arguments.wait, "wait") / 1e9
    if arguments.listen == arguments.target:
        raise InputError.of(
            f"tap {arguments.listen} {arguments.target}",
            "it would connect to itself",
            "give two addresses",
        )
    tap = Tap(
        arguments.listen,
        arguments.target,
        rate=arguments.rate,
        latency=arguments.latency,
        link=link_of(arguments),
        profile=arguments.profile,
        outages=arguments.outage or (),
        seed=arguments.seed,
        cut=arguments.cut,
        after_cut=arguments.after_cut,
        record=arguments.record,
        record_limit=arguments.record_limit,
    )
    with ends_with_us():
        interrupted = _pass_on(tap, linger_s)
        _deliver(tap.result(), arguments)
    if interrupted:
        return 130
    return 0 if tap.result().outcome in {"complete", "cut", "opaque"} else 1


def _pass_on(tap: Tap, linger_s: float) -> bool:
    """Pass on until the migration is over, or until asked to end: tell whether that was so."""
    with Progress() as progress, tap:
        print(f"migkit: listening at {tap.address}, passing on to {tap.target}", file=sys.stderr)
        try:
            _watch(tap, progress, linger_s)
        except KeyboardInterrupt:
            return True
    return False


def _watch(tap: Tap, progress: Progress, linger_s: float) -> None:
    before, since = 0, time.monotonic()
    while not tap.wait(_TICK_S, linger_s=linger_s):
        there, back, pages = tap.passed
        now = time.monotonic()
        rate = (there - before) / (now - since)
        before, since = there, now
        progress.status(
            f"{there / 1e6:.1f} MB there, {back / 1e6:.3f} MB back, {pages} pages, "
            f"{rate / 1e6:.1f} MB/s{', cut' if tap.was_cut else ''}"
        )


def _deliver(result: TapResult, arguments: argparse.Namespace) -> None:
    if arguments.frames is not None:
        result.store(arguments.frames, arguments.format)
    if arguments.json is not None:
        output.write_json(result.to_dict(), arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(result.report())
    for error in result.errors:
        print(f"migkit: {error}", file=sys.stderr)
