"""What a migration hands out: frames that stay whole, events, views that escape."""

import json

import pytest

from migkit import datasets, schema
from migkit.errors import InputError, TraceLogError
from migkit.results.summaries import counters_of, summary_of
from results.runs import PRECOPY, at, logged, simulated


@pytest.mark.parametrize("name", schema.FRAMES)
def test_nothing_done_to_a_frame_reaches_the_stored_one(name):
    run = simulated(workload="uniform:1500", postcopy_at="0.3s")
    before = getattr(run, name)
    kept = before.astype("object").to_numpy().tolist()
    mine = getattr(run, name)
    mine["t_ns" if "t_ns" in mine else "page"] = 7
    mine["more"] = 1
    if len(mine):
        mine.loc[mine.index[0], mine.columns[0]] = None
    again = getattr(run, name)
    assert again.columns.tolist() == [column.name for column in schema.FRAMES[name]]
    assert str(again.astype("object").to_numpy().tolist()) == str(kept)


def test_nothing_done_to_the_summary_reaches_the_stored_one():
    run = simulated(workload="idle")
    run.summary["ram"]["total"] = -1
    run.provenance["software"]["migkit"] = "other"
    run.counters["status"] = "failed"
    assert run.summary["ram"]["total"] > 0
    assert run.provenance["software"]["migkit"] == "0.1.0"
    assert run.counters["status"] == "completed"


def test_the_summary_has_query_migrates_names_and_their_values():
    run = simulated(workload="uniform:1500")
    ram, counters = run.summary["ram"], run.counters
    assert run.summary["status"] == run.outcome == "completed"
    assert run.summary["total-time"] == counters["total_time_ms"]
    assert ram["normal-bytes"] == ram["normal"] * 4096
    assert ram["page-size"] == 4096
    assert ram["dirty-sync-count"] == len(run.rounds)
    assert "expected-downtime" not in run.summary
    assert {
        name: counters[name] for name in counters_of(run.summary) if name in counters
    }.items() <= (counters.items())


@pytest.mark.parametrize(
    ("status", "members"),
    [
        ("cancelled", {"status"}),
        ("active", {"status", "setup-time", "total-time", "expected-downtime", "ram"}),
        ("postcopy-active", {"status", "setup-time", "total-time", "downtime", "ram"}),
        ("completed", {"status", "setup-time", "total-time", "downtime", "ram"}),
    ],
)
def test_which_members_a_state_has(status, members):
    counters = dict(simulated(workload="idle").counters, status=status)
    assert set(summary_of(counters)) == members
    throttled = {"cpu-throttle-percentage"} & set(
        summary_of({**counters, "cpu_throttle_percentage": 20})
    )
    assert bool(throttled) == (status not in ("cancelled", "completed"))


def test_events_of_one_kind_have_typed_columns():
    run = simulated(workload="uniform:1500")
    states = run.events_of("migrate_set_state")
    assert states["new_state"].tolist() == ["setup", "active", "device", "completed"]
    assert str(states["new_state"].dtype) == "str"
    assert str(run.events_of("ram_save_complete")["dirty"].dtype) == "Int64"
    absent = run.events_of("migrate_handle_rp_req_pages")
    assert len(absent) == 0
    assert absent.columns.tolist() == ["t_ns", "side", "block", "start", "len"]


def test_events_of_an_unknown_kind_keep_their_text(tmp_path):
    migration = logged(tmp_path, *PRECOPY, at(1300, "an_event_of_tomorrow x=1"))
    assert migration.events_of("an_event_of_tomorrow")["text"].tolist() == ["x=1"]
    assert json.loads(migration.events["arguments"].iloc[-1]) == {"text": "x=1"}
    assert migration.events_of("never_seen").columns.tolist() == ["t_ns", "side"]


def test_events_of_both_sides_are_in_the_order_of_time():
    events = datasets.load_capture("postcopy-hot-before").events
    assert set(events["side"]) == {"source", "dest"}
    assert events["t_ns"].is_monotonic_increasing
    assert events[events["event"] == "migrate_set_state"]["t_ns"].min() < 0


def test_a_trace_log_of_a_simulation_reads_as_its_events(tmp_path):
    run = simulated(workload="uniform:1500", postcopy_at="0.3s")
    path = tmp_path / "run.log"
    path.write_text(run.to_trace_log(form="pid", pid=77, epoch_ns=10**18))
    from migkit.capture import read_trace_log

    again = read_trace_log(path)
    events = run.events
    events = events[events["side"] == "source"].reset_index(drop=True)
    assert again.events["event"].tolist() == events["event"].tolist()
    assert again.events["arguments"].tolist() == events["arguments"].tolist()
    assert (again.events["t_ns"] == events["t_ns"] // 1000 * 1000).all()
    assert set(again.events["thread_id"]) == {77}


def test_the_log_lines_are_those_of_the_commit_message():
    run = simulated(workload="uniform:1500")
    lines = [line for line in run.to_trace_log("bare").splitlines() if "ram_save_complete" in line]
    done = run.ram_save_complete()["dirty"].tolist()
    assert lines == [
        f"ram_save_complete dirty={done[0]}, done=0",
        f"ram_save_complete dirty={done[1]}, done=1",
    ]


def test_a_side_that_is_not_there():
    run = simulated(workload="idle", observe_for="0.01s")
    with pytest.raises(TraceLogError, match="events of: source"):
        run.to_trace_log(side="dest")
    with pytest.raises(InputError, match="allowed source, dest"):
        run.to_trace_log(side="target")


def test_text_and_html_say_the_verdict(tmp_path):
    run = simulated(workload="idle")
    total, down = run.summary["total-time"], run.summary["downtime"]
    verdict = f"{run.name}: completed after {total / 1000:.3g} s, downtime {down} ms"
    assert repr(run).splitlines()[0] == f"Migration {verdict}"
    html = run._repr_html_()
    assert verdict in html
    assert html.count("<tr>") <= 6
    assert "<details><summary>provenance" in html


def test_html_is_escaped(tmp_path):
    path = tmp_path / "<b>&'.log"
    path.write_text(
        "".join(f"{line}\n" for line in PRECOPY[:-1]) + at(1, "x<script>\n") + "torn<i>"
    )
    from migkit.capture import read_trace_log

    html = read_trace_log(path)._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;&amp;&#x27;" in html


def test_provenance_names_inputs_and_versions():
    record = simulated(workload="uniform:1500").provenance
    assert record["engine"] == "compiled"
    assert record["inputs"]["name"]
    assert set(record["software"]) == {"migkit", "numpy", "pandas", "pyarrow", "python"}
    assert json.loads(json.dumps(record)) == record
    assert (
        simulated(workload="uniform:1500", rule="before").provenance["inputs"] != record["inputs"]
    )
