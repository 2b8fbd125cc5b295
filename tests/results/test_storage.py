"""Stored migrations: everything comes back, nothing is half written, damage gets one line."""

import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from migkit import datasets, schema
from migkit.errors import StorageError
from migkit.results import Migration
from results.runs import PRECOPY, logged, simulated

FORMATS = ["parquet", "csv"]


def store(migration, folder, table_format):
    getattr(migration, f"to_{table_format}")(folder)
    return Migration.load(folder)


def assert_equal(again, first):
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(first, name))
    for name in ("name", "kind", "outcome", "destination_state", "summary", "counters"):
        assert getattr(again, name) == getattr(first, name)
    assert again.provenance == first.provenance
    assert again.scenario == first.scenario
    for side in first.source.logs:
        assert again.to_trace_log(side=side) == first.to_trace_log(side=side)


@pytest.mark.parametrize("table_format", FORMATS)
@pytest.mark.parametrize("postcopy_at", [None, "0.3s"])
def test_a_simulation_comes_back(tmp_path, table_format, postcopy_at):
    values = {"postcopy_at": postcopy_at} if postcopy_at else {}
    run = simulated(workload="uniform:3000", **values)
    assert_equal(store(run, tmp_path / "run", table_format), run)


@pytest.mark.parametrize("table_format", FORMATS)
@pytest.mark.parametrize("name", ["cut-same-moment-after", "v10.0-postcopy-uniform", "idle"])
def test_a_capture_comes_back(tmp_path, table_format, name):
    capture = datasets.load_capture(name)
    assert_equal(store(capture, tmp_path / "run", table_format), capture)


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_bare_log_with_unknown_events_comes_back(tmp_path, table_format):
    odd = [
        "a_new_event",
        'a_new_event say "NA", null',
        "a_new_event # 1\t2",
        "migrate_error error=",
    ]
    bare = [line.split(":", 1)[1] for line in PRECOPY]
    migration = logged(tmp_path, *bare, *(f"{line} " for line in odd))
    assert_equal(store(migration, tmp_path / "run", table_format), migration)


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_stored_migration_can_be_stored_again(tmp_path, table_format):
    first = simulated(workload="uniform:3000", postcopy_at="0.3s")
    again = store(first, tmp_path / "one", "parquet")
    assert_equal(store(again, tmp_path / "two", table_format), first)


def test_parquet_fields_carry_units_and_the_file_its_provenance(tmp_path):
    run = simulated(workload="idle")
    run.to_parquet(tmp_path / "run")
    table = pq.read_schema(tmp_path / "run" / "rounds.parquet")
    for column in schema.ROUNDS:
        told = table.field(column.name).metadata
        assert told[b"unit"].decode() == column.unit
        assert told[b"meaning"].decode() == column.meaning
        assert told[b"qemu_source"].decode() == column.qemu_source
    assert json.loads(table.metadata[b"migkit"]) == run.provenance


def test_csv_carries_units_and_provenance_and_reads_with_pandas_alone(tmp_path):
    run = simulated(workload="idle")
    run.to_csv(tmp_path / "run")
    path = tmp_path / "run" / "rounds.csv"
    head = json.loads(path.read_text().splitlines()[0].removeprefix("# "))
    assert head["columns"]["end_ns"]["unit"] == "ns"
    assert head["provenance"] == run.provenance
    plain = pd.read_csv(path, skiprows=1)
    assert plain["new_dirty_pages"].tolist() == run.rounds["new_dirty_pages"].tolist()


def test_an_earlier_migration_is_replaced(tmp_path):
    folder = tmp_path / "run"
    simulated(workload="idle").to_csv(folder)
    second = simulated(workload="uniform:3000")
    assert_equal(store(second, folder, "parquet"), second)
    assert not list(folder.glob("*.csv"))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match=r"such as thesis\.tex"):
        simulated(workload="idle").to_parquet(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(StorageError, match="it is a file"):
        simulated(workload="idle").to_csv(tmp_path / "thesis.tex")


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    class Unreadable(Migration):
        @property
        def windows(self):
            raise OSError(28, "No space left on device")

    run = simulated(workload="idle")
    broken = Unreadable(
        run.name, run.kind, run.outcome, run.destination_state, run.source, run.record
    )
    with pytest.raises(StorageError, match="No space left"):
        broken.to_parquet(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("table_format", FORMATS)
def test_damage_gets_one_line(tmp_path, table_format):
    simulated(workload="idle").__getattribute__(f"to_{table_format}")(tmp_path / "run")
    table = f"windows.{table_format}"
    cases = {
        "migration.json": ["", "[]", "{", '{"migkit_migration": 99}', '{"migkit_migration": 1}'],
        table: ["", "half,a\nrow", "# {}\nt_ns\nx\n"],
    }
    for name, contents in cases.items():
        for content in [None, *contents]:
            folder = tmp_path / "damaged"
            shutil.copytree(tmp_path / "run", folder)
            (folder / name).unlink()
            if content is not None:
                (folder / name).write_text(content)
            with pytest.raises(StorageError) as caught:
                Migration.load(folder)
            assert str(folder) in str(caught.value)
            assert "\n" not in str(caught.value)
            shutil.rmtree(folder)


def test_no_stored_migration_there(tmp_path):
    with pytest.raises(StorageError, match=r"no readable migration\.json"):
        Migration.load(tmp_path / "absent")
    with pytest.raises(StorageError, match=r"no readable migration\.json"):
        Migration.load(tmp_path)
