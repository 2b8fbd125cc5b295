"""The codes and columns are a contract: these tests state it by hand."""

import subprocess
import sys

import pytest

from migkit import schema


def test_codes_that_other_parts_count_on():
    assert schema.STATES.index("completed") == 10
    assert schema.STATES.index("wait-unplug") == 15
    assert schema.DECISIONS == ("iterate", "complete", "postcopy_start")
    assert schema.SYNC_REASONS == ("setup", "exact", "final", "postcopy", "timer")
    assert schema.EVENT_CODES["migrate_set_state"] == 0
    assert schema.EVENT_CODES["ram_save_complete"] == 10
    assert schema.EVENT_CODES["savevm_send_ping"] == 20
    assert schema.EVENT_CODES["source_return_path_thread_shut"] == 30
    assert schema.EVENT_CODES["postcopy_pause_continued"] == 39
    assert schema.EVENT_CODES["postcopy_preempt_send_host_page"] == 41
    assert schema.EVENT_CODES["migration_bitmap_clear_dirty"] == 42
    assert schema.EVENT_CODES["dirtylimit_vcpu_execute"] == 46
    assert schema.EVENT_CODES["multifd_send_sync_main"] == 47
    assert len(schema.EVENTS) == 50


@pytest.mark.parametrize("event", schema.EVENTS, ids=lambda event: event.name)
def test_a_template_prints_each_argument_once(event):
    values = {name: f"<{name}>" for name in event.argument_names}
    printed = event.template.format(**values)
    assert [printed.count(value) for value in values.values()] == [1] * len(values)
    assert len(values) <= schema.MAX_ARGUMENTS


def test_ram_save_complete_reads_as_in_qemu():
    event = schema.EVENTS[schema.EVENT_CODES["ram_save_complete"]]
    assert event.template.format(dirty=9627, done=0) == "dirty=9627, done=0"


@pytest.mark.parametrize("frame", schema.FRAMES)
def test_every_column_says_unit_meaning_and_source(frame):
    columns = schema.FRAMES[frame]
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    for column in columns:
        assert column.meaning
        assert column.qemu_source
        assert (column.dtype == "category") == bool(column.categories)
        for ending, unit in (("_ns", "ns"), ("_bytes", "bytes"), ("_pages", "pages")):
            if column.name.endswith(ending):
                assert column.unit == unit


def test_summary_paths_and_counters_are_unique():
    paths = [field.path for field in schema.SUMMARY]
    counters = [field.counter for field in schema.SUMMARY]
    assert len(set(paths)) == len(paths)
    assert len(set(counters)) == len(counters)


def test_importing_the_schema_loads_no_pandas():
    code = "import sys, migkit.schema; print('pandas' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
