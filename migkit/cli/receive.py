"""``migkit receive``: a real QEMU migrates its guest here."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.cli import arena, options, output
from migkit.cli.interruption import Interruption
from migkit.cli.terminal import Progress
from migkit.errors import ChannelError, InputError
from migkit.units import format_bytes, format_rate, parse_bytes, parse_duration

if TYPE_CHECKING:
    from migkit.channels import TlsFiles
    from migkit.live import Receiver, Reception
    from migkit.live.live_frames import Progress as Where

_EPILOG = """\
URI is QEMU's: tcp:HOST:PORT, unix:PATH, vsock:CID:PORT, fd:NUMBER, exec:COMMAND,
file:PATH[,offset=N], or its JSON form. Without a host tcp listens on this machine alone.
No guest of QEMU runs here. In postcopy pages are asked for as --faults says; after a broken
connection the source may resume at the same address. Ctrl-C and SIGTERM break the connections: the
source's guest runs on there, what came is told, and --save leaves what was in its folder before.

fault patterns:
  uniform:RATE     RATE requests/s for pages that are missing, each as likely
  sequential:RATE  the first missing page behind the last one asked for
  workload:TEXT    what a workload touches, such as workload:hotcold:2000,hot=500,percent=90
  list:FILE        a text file of lines SECONDS,PAGE (pages counted through all RAM blocks)

examples:
  migkit receive tcp:127.0.0.1:4444 --json result.json
  migkit receive tcp:127.0.0.1:4444 --faults uniform:500 --save guest/
  migkit receive unix:/run/mig.sock --tls-dir pki/ --tls-authz CN=source
  migkit receive file:memory.mig --save guest/
  migkit receive tcp:127.0.0.1:4444 --run --run-for 2s      (source: migkit send arena:64MiB ...)
  (qemu) migrate tcp:127.0.0.1:4444

exit codes: 0 completed; 1 it failed or stays paused; 2 wrong input, or no source came;
130 interrupted or terminated
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "receive",
        help="be the destination of a real QEMU's migration",
        description="Be the destination of a migration: keep RAM and device state, count, ask "
        "for pages.",
        epilog=_EPILOG,
    )
    parser.add_argument("uri", metavar="URI", help="where the source comes to")
    _add_migration(parser)
    arena.add_run(parser.add_argument_group("the guest"))
    _add_tls(parser)
    results = parser.add_argument_group("results")
    results.add_argument(
        "--save", metavar="DIR", type=Path, help="keep RAM and device state in this folder"
    )
    options.add_json(results)
    parser.set_defaults(run=run, parser=parser)


def _add_migration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the migration")
    group.add_argument("--faults", metavar="PATTERN", help="what is asked for in postcopy")
    group.add_argument(
        "--seed", type=options.whole_number, default=0, help="of patterns with chance (default: 0)"
    )
    group.add_argument(
        "--switchover-ack", action="store_true", help="QEMU's capability: acknowledge it"
    )
    group.add_argument(
        "--multifd-channels",
        metavar="N",
        type=options.whole_number,
        help="how many come (default: those that have come when the first SYNC is due)",
    )
    group.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="refuse a guest with more RAM (default: this machine's memory)",
    )
    group.add_argument(
        "--wait", metavar="TIME", help="longest wait for the source, such as 30s (default: no end)"
    )
    group.add_argument(
        "--silence",
        metavar="TIME",
        help="longest time in which nothing comes once it is there: 10s, or none for no limit; "
        "a source that pauses before its switchover says nothing (default: 1h)",
    )
    group.add_argument(
        "--recover",
        metavar="TIME",
        help="longest pause of postcopy, such as 10min (default: no end); 0s ends at a break",
    )


def _add_tls(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS")
    group.add_argument("--tls-dir", metavar="DIR", type=Path, help="dir of QEMU's tls-creds")
    group.add_argument(
        "--tls-authz",
        metavar="NAME",
        action="append",
        default=[],
        help="a client that may connect, by its certificate's distinguished name; may be repeated",
    )
    group.add_argument(
        "--tls-no-verify", action="store_true", help="QEMU's verify-peer=off: no client is checked"
    )


def run(arguments: argparse.Namespace) -> int:
    """Receive and tell."""
    output.check_file(arguments.json, "--json")
    _check_save(arguments.save, run=arguments.run_guest)
    run_s = arena.seconds_of(arguments)
    from migkit.live import Receiver

    with Progress() as progress, warnings.catch_warnings(), Interruption() as interruption:
        warnings.showwarning = _warned  # type: ignore[assignment]
        warnings.simplefilter("always", RuntimeWarning)
        receiver = Receiver(
            arguments.uri,
            tls=_tls(arguments),
            faults=arguments.faults,
            progress=lambda where: progress.status(_where(where)),
            warn=_say,
            **_settings(arguments),
        )
        interruption.attach(receiver.stop)
        if arguments.uri.endswith(":0"):
            _say(f"waiting at {receiver.address}")  # the system chose the port
        progress.status(f"waiting at {receiver.address}")
        received = _received(receiver, interruption)
        interruption.at_once()
        summary = arena.ran_on(received, 0.0 if interruption.came else run_s)
        progress.status("")
        _deliver(received, summary, arguments)
        interruption.check()
        if arguments.save is not None:
            received.save(arguments.save)
    whole = not summary.get("guest", {}).get("wrong_pages")
    return 0 if received.outcome == "completed" and whole else 1


def _received(receiver: Receiver, interruption: Interruption) -> Reception:
    try:
        return receiver.run()
    except ChannelError:
        interruption.check()  # no source had come
        raise


def _deliver(received: Reception, summary: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json is not None:
        output.write_json(summary, arguments.json)
    if arguments.json != options.STANDARD_OUTPUT:
        print(_told(received, summary))


def _check_save(folder: Path | None, *, run: bool) -> None:
    if folder is None:
        return
    if run:
        raise InputError.of(
            f"--save {folder} with --run", "a guest that runs goes on", "leave one out"
        )
    from migkit.live.saved import check_place

    check_place(folder)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    limit = arguments.memory_limit
    return {
        "seed": arguments.seed,
        "switchover_ack": arguments.switchover_ack,
        "multifd_channels": arguments.multifd_channels,
        "most_ram_bytes": 0 if limit is None else parse_bytes(limit, "memory-limit"),
        "wait_s": _seconds(arguments.wait, "wait"),
        "recover_s": _seconds(arguments.recover, "recover"),
        "run": arguments.run_guest,
        **_silence(arguments.silence),
    }


def _silence(text: str | None) -> dict[str, float | None]:
    if text is None:
        return {}
    return {"silence_s": None if text == "none" else _seconds(text, "silence")}


def _seconds(text: str | None, name: str) -> float | None:
    return None if text is None else parse_duration(text, name) / 1e9


def _tls(arguments: argparse.Namespace) -> TlsFiles | None:
    from migkit.channels import TlsFiles

    options.check_tls(arguments, "tls_authz", "tls_no_verify")
    if arguments.tls_dir is None:
        return None
    names, verify = tuple(arguments.tls_authz), not arguments.tls_no_verify
    return TlsFiles(arguments.tls_dir, verify_peer=verify, authz=names)


def _warned(message: Warning | str, *_: Any) -> None:
    _say(str(message))


def _say(text: str) -> None:
    print(f"migkit: {text}", file=sys.stderr)


def _where(where: Where) -> str:
    left = f", {where.missing} pages missing" if where.state.startswith("postcopy") else ""
    came = f"round {where.rounds}, {format_bytes(where.bytes)} came"
    return f"{where.state}, {came}, {where.requests} requests{left}"


def _told(received: Reception, told: dict[str, Any]) -> str:
    lines = [
        f"{received.stream.configuration.machine or 'guest'}: {received.outcome}"
        + (f", {received.error}" if received.error else ""),
        f"{told['seconds']:.3f} s, {format_rate(told['bytes_per_s'])}, {told['rounds']} rounds",
        *(f"{name:<18} {value}" for name, value in told["qemu_counts"].items()),
        f"{'save_complete':<18} {told['pages_in_complete']} pages",
    ]
    if told["requests"]:
        latency = told["request_latency_us"]
        lines.append(
            f"{'requests':<18} {told['requests']}, answered in "
            + ", ".join(f"{name} {value} us" for name, value in latency.items())
        )
    if received.guest is not None:
        lines.append(arena.told(told["guest"]))
    return "\n".join(lines)
