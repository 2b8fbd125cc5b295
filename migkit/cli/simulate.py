"""``migkit simulate``: one migration in virtual time."""

from __future__ import annotations

import argparse

from migkit.cli import options, output
from migkit.cli.inputs import scenario_of, stamp_of
from migkit.cli.terminal import Progress
from migkit.workloads.text import FORMS

_EPILOG = f"""\
workloads:
{FORMS}

examples:
  migkit simulate --memory 8GiB --bandwidth 10Gbit/s --downtime-limit 300ms \\
      --workload uniform:20000 --rule before --postcopy-at 3s
  migkit simulate --memory 512MiB --workload hotcold:8000,hot=4000,percent=95 \\
      --capability auto-converge --parameter cpu-throttle-initial=40
  migkit simulate --postcopy-at 2s --parameter max-postcopy-bandwidth=10MiB --workload uniform:500
  migkit simulate --scenario commit-7aaa1fc072 --rule after --trace pid | grep ram_save_complete
  migkit simulate --scenario mine.toml --out run1 --format csv
  migkit simulate --transport file --capability mapped-ram --disk-bandwidth 200MB/s
  migkit simulate --workload uniform:500 --json | python3 -m json.tool

exit codes: 0 simulated, however the migration ended; 2 wrong input; 130 interrupted
"""


def add_parser(commands: options.Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "simulate",
        help="simulate a migration: rounds, summary, trace log",
        description="Simulate one QEMU live migration in virtual time.",
        epilog=_EPILOG,
    )
    _add_guest(parser)
    _add_target(parser)
    _add_migration(parser)
    run_group = parser.add_argument_group("the run")
    run_group.add_argument(
        "--seed", type=options.whole_number, metavar="N", help="seed of all random numbers"
    )
    run_group.add_argument(
        "--observe-for", metavar="TIME", help="stop watching after this time: 60s"
    )
    options.add_engine(run_group)
    results = parser.add_argument_group("results")
    options.add_json(results)
    options.add_tables(results)
    parser.set_defaults(run=run, parser=parser)


def _add_vcpus(group: options.Container) -> None:
    """Add what runs the guest's program."""
    group.add_argument(
        "--vcpus",
        type=options.whole_number,
        metavar="N",
        help="vCPUs that share the workload's writes (default: 1)",
    )
    group.add_argument(
        "--cpu-per-write",
        metavar="TIME",
        help="CPU time the program needs for a page write: 90us (default: the host profile's)",
    )
    group.add_argument(
        "--accelerator",
        metavar="TEXT",
        help="as for QEMU's -accel: tcg (the default), kvm, or kvm,dirty-ring-size=4096",
    )


def _add_guest(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the guest and its machine")
    group.add_argument(
        "--scenario",
        metavar="FILE|NAME",
        help="start from a scenario file (TOML or JSON) or a shipped one; rule, postcopy, limits, "
        "capabilities, parameters, seed and time of observation can be changed",
    )
    group.add_argument("--memory", metavar="SIZE", help="guest memory: 8GiB (default: 1GiB)")
    group.add_argument(
        "--workload", metavar="TEXT", help="what the guest writes, see below (default: idle)"
    )
    _add_vcpus(group)
    group.add_argument(
        "--nonzero-percent",
        type=float,
        metavar="PERCENT",
        help="share of memory that holds data beside the working set (default: none; an idle "
        "guest's memory is all data unless this or pages= is given)",
    )
    group.add_argument(
        "--content",
        metavar="TEXT",
        help="what is in memory: zero:30%%,random:50%%,compressible(3):20%% "
        "(default: random, where there is data)",
    )
    _add_link(group)
    group.add_argument(
        "--contention",
        action="append",
        type=options.assignment,
        metavar="SIDE=PERCENT",
        help="what the processors of source or destination take of their undisturbed time: "
        "source=150; may be repeated",
    )


def _add_link(group: options.Container) -> None:
    group.add_argument("--link-bandwidth", metavar="RATE", help="the physical link: 10Gbit/s")
    group.add_argument("--link-latency", metavar="TIME", help="one way: 50us")
    group.add_argument(
        "--link",
        action="append",
        type=options.assignment,
        metavar="NAME=VALUE",
        help="more of the link: jitter=2ms, loss=0.1%%, return-latency=1ms, window=4MiB, "
        "competing=500Mbit/s, flows=3; may be repeated",
    )
    group.add_argument(
        "--link-profile",
        metavar="STEPS",
        help="the link's bandwidth over time: 0s:1Gbit/s,5s:100Mbit/s",
    )


def _add_target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where the stream goes")
    group.add_argument(
        "--transport",
        metavar="KIND",
        help="tcp (the default), file, file,offset=SIZE or exec; mapped-ram needs file",
    )
    group.add_argument(
        "--disk-bandwidth", metavar="RATE", help="of a file: what its disk takes: 500MB/s"
    )
    group.add_argument(
        "--disk-cache", metavar="SIZE", help="of a file: what may wait for the disk: 1GiB"
    )
    group.add_argument(
        "--runstate",
        metavar="STATE",
        help="of the VM when migrate is given: running (the default), paused or prelaunch",
    )
    group.add_argument(
        "--memory-shared",
        action="store_true",
        default=None,
        help="memory that both sides map; x-ignore-shared leaves it behind",
    )


def _add_migration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the migration")
    group.add_argument(
        "--bandwidth",
        metavar="RATE",
        help="QEMU's max-bandwidth: 64MiB/s, 10Gbit/s (default: 128MiB/s)",
    )
    group.add_argument(
        "--downtime-limit", metavar="TIME", help="QEMU's downtime-limit: 300ms (the default)"
    )
    group.add_argument(
        "--postcopy-bandwidth", metavar="RATE", help="QEMU's max-postcopy-bandwidth (default: 0)"
    )
    group.add_argument(
        "--postcopy-at",
        metavar="TIME",
        help="when migrate-start-postcopy is given: 3s; turns postcopy-ram on",
    )
    group.add_argument(
        "--rule",
        choices=("before", "after"),
        help="completion rule: before or after QEMU's rewrite of it (default: after)",
    )
    options.add_by_name(group)


def run(arguments: argparse.Namespace) -> int:
    """Simulate and show."""
    output.check_results(arguments)
    scenario = scenario_of(arguments)

    from migkit.simulate import simulate

    with Progress() as progress:
        migration = simulate(scenario, engine=arguments.engine, progress=progress.virtual_time)
    output.deliver(migration, arguments, stamp_of(arguments))
    return 0
