"""``migkit send``: a saved guest goes to a QEMU that waits for it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.cli import arena, options, output
from migkit.cli.inputs import parameter_value
from migkit.cli.interruption import ends_with_us
from migkit.cli.terminal import Progress
from migkit.units import format_bytes, format_rate, parse_duration, parse_rate
from migkit.workloads.text import FORMS

if TYPE_CHECKING:
    from migkit.channels import TlsFiles
    from migkit.live import Sent

_EPILOG = f"""\
SOURCE is what `migrate file:` of a precopy migration wrote, or the folder of `migkit receive
--save`. URI is QEMU's address of the destination, which has the same machine type and memory and
waits with `-incoming`. The guest runs on there where it was saved. SOURCE arena:SIZE is a guest of
migkit's own that really runs: threads write to its memory, each write counts, and none must be
lost. It goes to `migkit receive --run`.

workloads:
{FORMS}

examples:
  (qemu) migrate file:memory.mig
  qemu-system-x86_64 -M pc-i440fx-10.0 -m 512 -incoming tcp:127.0.0.1:4444
  migkit send memory.mig tcp:127.0.0.1:4444 --bandwidth 64MiB/s --workload uniform:2000
  migkit send memory.mig unix:/run/mig.sock --postcopy-at 300ms --json sent.json
  migkit send memory.mig tcp:127.0.0.1:4444 --capability multifd --parameter multifd-channels=4
  migkit send memory.mig file:placed.mig --capability mapped-ram --capability multifd
  migkit receive unix:mig.sock --run --run-for 2s
  migkit send arena:256MiB unix:mig.sock --workload uniform:2000 --vcpus 2 --postcopy-at 500ms

exit codes: 0 completed; 1 it failed or stays paused; 2 wrong input; 130 interrupted
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "send",
        help="migrate a saved guest to a real QEMU",
        description="Be the source of a migration: send a saved guest to a real QEMU.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "source", metavar="SOURCE", type=Path, help="the saved guest, or arena:SIZE"
    )
    parser.add_argument(
        "uri", metavar="URI", help="tcp:HOST:PORT, unix:PATH, file:PATH, or QEMU's JSON"
    )
    _add_migration(parser)
    _add_guest(parser)
    _add_tls(parser)
    results = parser.add_argument_group("results")
    options.add_json(results)
    options.add_tables(results)
    parser.set_defaults(run=run, parser=parser)


def _add_migration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the migration")
    group.add_argument("--bandwidth", metavar="RATE", help="QEMU's max-bandwidth: 64MiB/s")
    group.add_argument("--downtime-limit", metavar="TIME", help="QEMU's downtime-limit: 300ms")
    group.add_argument("--postcopy-at", metavar="TIME", help="when to switch to postcopy: 300ms")
    group.add_argument(
        "--rule",
        choices=("before", "after"),
        default="after",
        help="completion rule: before or after QEMU's rewrite of it (default: after)",
    )
    group.add_argument(
        "--qemu-version",
        metavar="VERSION",
        help="whose dirty-bitmap syncs: 11.1.3 (default: 10.0.13 or 10.2.2, by the rule)",
    )
    group.add_argument(
        "--recover", metavar="URI", help="where the destination waits after a cut in postcopy"
    )
    group.add_argument(
        "--timeout", metavar="TIME", default="30s", help="longest wait for an answer: 30s"
    )
    options.add_by_name(
        group,
        "return-path (on unless said), postcopy-preempt, multifd, switchover-ack, auto-converge, "
        "dirty-limit, xbzrle, mapped-ram, release-ram; may be repeated",
    )


def _add_guest(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the guest")
    group.add_argument("--workload", metavar="WORKLOAD", help="what dirties pages meanwhile")
    arena.add_vcpus(group)
    group.add_argument(
        "--write-memory",
        action="store_true",
        help="let a thread really write there; only to a destination that is migkit",
    )


def _add_tls(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS")
    group.add_argument("--tls-dir", metavar="DIR", type=Path, help="dir of QEMU's tls-creds")
    group.add_argument("--tls-hostname", metavar="NAME", default="", help="QEMU's tls-hostname")
    group.add_argument(
        "--tls-username", metavar="NAME", default="", help="whose key of keys.psk (default: qemu)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Send and tell."""
    output.check_results(arguments)
    from migkit.live import send

    with ends_with_us(), Progress() as progress, arena.guest_of(arguments) as guest:
        sent = send(
            guest or arguments.source,
            arguments.uri,
            rule=arguments.rule,
            qemu_version=arguments.qemu_version,
            parameters=_parameters(arguments),
            capabilities=_capabilities(arguments),
            workload=arguments.workload if guest is None else None,
            write_memory=arguments.write_memory,
            postcopy_at_s=_seconds(arguments.postcopy_at, "postcopy-at"),
            recover=arguments.recover,
            tls=_tls(arguments),
            timeout_s=_seconds(arguments.timeout, "timeout") or 0.0,
            progress=lambda counted: progress.step(
                counted.syncs, counted.syncs, f"sync, {format_bytes(counted.transferred)} sent"
            ),
        )
    if arguments.out is not None:
        output.store(sent, arguments.out, arguments.format)
    if arguments.json is not None:
        output.write_json(sent.report() | arena.state_of(guest), arguments.json)
    if arguments.trace:
        print(sent.to_trace_log(form=arguments.trace), end="")
    elif arguments.json != options.STANDARD_OUTPUT:
        print(_told(sent))
    return 0 if sent.outcome == "completed" else 1


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {n: parameter_value(n, text) for n, text in arguments.parameters}
    if arguments.bandwidth is not None:
        values["max-bandwidth"] = parse_rate(arguments.bandwidth, "bandwidth")
    if arguments.downtime_limit is not None:
        limit = parse_duration(arguments.downtime_limit, "downtime-limit")
        values["downtime-limit"] = limit // 1_000_000
    return values


def _capabilities(arguments: argparse.Namespace) -> list[str] | None:
    states = dict(arguments.capabilities)
    if not states:
        return None
    states.setdefault("return-path", not arguments.uri.startswith(("file:", "exec:")))
    return [name for name, on in states.items() if on]


def _seconds(text: str | None, name: str) -> float | None:
    return None if text is None else parse_duration(text, name) / 1e9


def _tls(arguments: argparse.Namespace) -> TlsFiles | None:
    from migkit.channels import TlsFiles

    options.check_tls(arguments, "tls_hostname", "tls_username")
    if arguments.tls_dir is None:
        return None
    return TlsFiles(
        arguments.tls_dir,
        hostname=arguments.tls_hostname,
        username=arguments.tls_username or "qemu",
    )


def _told(sent: Sent) -> str:
    told = sent.report()
    lines = [
        f"{sent.name}: {sent.outcome}" + (f", {sent.error}" if sent.error else ""),
        f"{told['total_time_ms']} ms, downtime {told['downtime_ms']} ms, "
        f"{format_rate(told['bytes_per_s'] or 0)}, {told['rounds']} dirty syncs",
        *(f"{name:<18} {value}" for name, value in told["qemu_counts"].items()),
        f"{'save_complete':<18} {told['pages_in_complete']} pages",
    ]
    cache = told["xbzrle_cache"]
    if cache:
        found = {name: cache[name] for name in ("pages", "bytes", "cache-miss", "overflow")}
        lines.append(f"{'xbzrle':<18} {', '.join(f'{n} {value}' for n, value in found.items())}")
    if told["cpu_throttle_percentage"]:
        steps = (f"{now} % at {t} ms" for t, now in told["cpu_throttle_percentage"])
        lines.append(f"{'cpu throttle':<18} {', '.join(steps)}")
    asked = told["requests"]
    if asked["asked"]:
        latency = told["service_latency_us"]
        lines.append(
            f"{'requests':<18} {asked['asked']}, {asked['served']} served, in "
            + ", ".join(f"{name} {value} us" for name, value in latency.items())
        )
    return "\n".join(lines)
