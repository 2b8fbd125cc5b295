"""The numbers of QEMU commit 7aaa1fc072, beside our simulation of them and a recording.

The commit message shows ``ram_save_complete`` before and after the rewrite, but not what went in.
Our inputs are fitted; the scenario's file says which and how. The numbers come out of the engine.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from migkit import datasets
from migkit.evidence.stamp import TraceStamp, read_stamp
from migkit.scenario import Scenario
from migkit.simulate import simulate

if TYPE_CHECKING:
    from migkit.results import Migration

COMMIT = "7aaa1fc072"
SCENARIO_NAME = f"commit-{COMMIT}"
TITLE = "migration: Rewrite the migration complete detect logic"

#: The lines of the commit message. Those of "after" repeat the time stamps of "before".
MESSAGE_LINES = {
    "before": (
        "1267959@1748381938.294066:ram_save_complete dirty=9627, done=0",
        "1267959@1748381938.308884:ram_save_complete dirty=0, done=1",
    ),
    "after": (
        "1267959@1748381938.294066:ram_save_complete dirty=0, done=0",
        "1267959@1748381938.308884:ram_save_complete dirty=0, done=1",
    ),
}

NOTE = (
    "The commit message repeats the time stamps of its first pair in its second; in recordings "
    "the two lines under the new rule lie about 2 µs apart. The simulated lines carry the times "
    "that the engine gives."
)


def commit_scenario(rule: str) -> Scenario:
    """Load the fitted scenario.

    Parameters
    ----------
    rule : {"before", "after"}
        The completion rule to put in.

    Returns
    -------
    Scenario
        Ready to simulate.
    """
    return replace(Scenario.from_file(_scenario_file()), completion_rule=rule)


def commit_stamp() -> TraceStamp | None:
    """Read process id and start time of the commit's log from the scenario's file."""
    return read_stamp(_scenario_file())


def commit_inputs() -> dict[str, str]:
    """Read which inputs of the scenario are fitted and how, from its ``[fitted]`` table."""
    document = tomllib.loads(_scenario_file().read_text(encoding="utf-8"))
    return {name: str(text) for name, text in document.get("fitted", {}).items()}


def simulate_commit(rule: str, engine: str = "compiled") -> Migration:
    """Simulate the fitted scenario under one rule."""
    return simulate(commit_scenario(rule), engine=engine)


def completion_trace(migration: Migration, stamp: TraceStamp | None = None) -> list[str]:
    """Return the ``ram_save_complete`` lines of a migration's trace log.

    Parameters
    ----------
    migration : Migration
        Recorded or simulated.
    stamp : TraceStamp, optional
        Process id and start; with it the lines have the commit message's form, without it they
        carry an ISO time stamp.

    Returns
    -------
    list of str
        Lines without their line ends.
    """
    if stamp is None:
        log = migration.to_trace_log(form="iso")
    else:
        log = migration.to_trace_log(form="pid", pid=stamp.pid, epoch_ns=stamp.epoch_ns)
    return [line for line in log.splitlines() if "ram_save_complete " in line]


def commit_table(simulated: dict[str, Migration], recorded: dict[str, Migration]) -> pd.DataFrame:
    """Put the commit's lines, ours and recorded ones side by side.

    Parameters
    ----------
    simulated : dict of str to Migration
        Rule to the simulation of the fitted scenario.
    recorded : dict of str to Migration
        Rule to a recording of another guest; its numbers are its own.

    Returns
    -------
    DataFrame
        A row a line; columns ``rule``, ``line``, ``commit_message``, ``simulated``, ``recorded``.
    """
    stamp = commit_stamp()
    rows = []
    for rule, message in MESSAGE_LINES.items():
        ours = completion_trace(simulated[rule], stamp)
        real = completion_trace(recorded[rule]) if rule in recorded else []
        for position in range(max(len(message), len(ours), len(real))):
            row = {"rule": rule, "line": position + 1}
            for column, lines in (
                ("commit_message", message),
                ("simulated", ours),
                ("recorded", real),
            ):
                row[column] = lines[position] if position < len(lines) else ""
            rows.append(row)
    return pd.DataFrame(rows)


def _scenario_file() -> Path:
    return datasets.scenario_file(SCENARIO_NAME)
