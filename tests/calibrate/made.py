"""Captures made by the simulation, for calibration to read."""

import gzip
import json
import shutil
from pathlib import Path

from migkit.calibrate.explanation import with_host
from migkit.scenario import Scenario
from migkit.simulate import simulate

PRECOPY = Path(__file__).parents[2] / "datasets" / "captures" / "precopy-hot-tight"
POSTCOPY = PRECOPY.with_name("postcopy-uniform-after")


def write_capture(folder, scenario_file, host):
    """Write the simulated log of a scenario on a host as a capture."""
    folder.mkdir()
    shutil.copy(scenario_file, folder / "scenario.json")
    scenario = with_host(Scenario.from_capture(folder), host)
    run = simulate(scenario)
    result = {
        "outcome": run.outcome,
        "query_migrate_source": run.summary,
        "query_migrate_destination": {"status": run.destination_state},
    }
    (folder / "result.json").write_text(json.dumps(result))
    log = run.to_trace_log(form="iso")
    with gzip.open(folder / "source.trace.log.gz", "wt") as file:
        file.write(log)
    with gzip.open(folder / "dest.trace.log.gz", "wt") as file:
        file.write(log.splitlines(keepends=True)[0])
