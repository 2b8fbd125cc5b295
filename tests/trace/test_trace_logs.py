"""Trace logs: what real ones say, and that writing gives the very lines back."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import InputError, TraceLogError
from migkit.schema import EVENTS, Event
from migkit.trace import NO_TIME, EventLog, read_log, write_log
from migkit.trace.registry import is_known, parse, render

SAMPLES = sorted(Path(__file__).with_name("samples").glob("*.log"))
MIGRATED = "migrate_set_state new state setup"


def log_file(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "source.trace.log"
    path.write_text("\n".join(lines) + end)
    return path


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_real_log_is_written_back_line_by_line(path):
    log = read_log(path, path.stem.split("-")[1])
    assert write_log(log).splitlines() == path.read_text().splitlines()
    assert log.skipped_lines == 0
    assert log.torn_line == ""


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_line_of_a_real_log_is_understood(path):
    log = read_log(path, path.stem.split("-")[1])
    assert [event for event in log.events if not is_known(event)] == []
    raw = [m for k, m in enumerate(log.messages) if log.arguments_of(k).keys() == {"text"}]
    assert raw == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_gzip_is_told_by_its_first_bytes(path, tmp_path):
    packed = tmp_path / "no-ending"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert write_log(read_log(packed)) == write_log(read_log(path))


def test_the_three_forms_carry_the_same_events(tmp_path):
    message = "ram_save_complete dirty=9627, done=0"
    lines = {
        "bare": message,
        "pid": f"1267959@1748381938.294066:{message}",
        "iso": f"2025-05-27T21:38:58.294066Z {message}",
    }
    for form, line in lines.items():
        log = read_log(log_file(tmp_path, line))
        assert log.form == form
        assert log.column("ram_save_complete", "dirty").tolist() == [9627]
        assert write_log(log) == line + "\n"
    stamped = [read_log(log_file(tmp_path, lines[form])).epoch_ns for form in ("pid", "iso")]
    assert stamped == [1748381938_294066_000] * 2
    assert read_log(log_file(tmp_path, lines["bare"])).t_ns.tolist() == [NO_TIME]


def test_a_log_can_be_written_in_another_form(tmp_path):
    log = read_log(log_file(tmp_path, "7@0.250000:postcopy_start ", "7@1.000000:postcopy_start "))
    assert write_log(log, "iso").splitlines() == [
        "1970-01-01T00:00:00.250000Z postcopy_start ",
        "1970-01-01T00:00:01Z postcopy_start ",
    ]
    assert write_log(log, "bare") == "postcopy_start \n" * 2
    assert write_log(log, "pid", pid=9, epoch_ns=5_000_000_000).splitlines() == [
        "9@5.000000:postcopy_start ",
        "9@5.750000:postcopy_start ",
    ]


def test_time_zero_is_the_moment_migrate_is_taken(tmp_path):
    lines = [
        "1@10.000000:migration_socket_outgoing_connected hostname=a",
        "1@10.000002:" + MIGRATED,
        "1@10.500000:migrate_set_state new state active",
    ]
    source = read_log(log_file(tmp_path, *lines))
    assert source.t_ns.tolist() == [-2000, 0, 499_998_000]
    dest = read_log(log_file(tmp_path, *lines), "dest")
    assert dest.t_ns.tolist() == [-500_000_000, -499_998_000, 0]
    given = read_log(log_file(tmp_path, *lines), "dest", epoch_ns=9_000_000_000)
    assert given.t_ns[0] == 1_000_000_000


def test_stamps_of_different_width_in_one_log(tmp_path):
    lines = [
        "2026-11-22T23:37:47.704237Z postcopy_start ",
        "2026-11-22T23:37:48Z postcopy_start_set_run ",
        "2026-11-22T23:37:48.000001Z migration_throttle ",
    ]
    log = read_log(log_file(tmp_path, *lines))
    assert log.t_ns.tolist() == [0, 295_763_000, 295_764_000]
    assert write_log(log).splitlines() == lines


def test_thread_ids_of_different_width_in_one_log(tmp_path):
    lines = [f"{pid}@12.000000:migration_throttle " for pid in (99, 100, 7)]
    log = read_log(log_file(tmp_path, *lines))
    assert log.pids.tolist() == [99, 100, 7]
    assert write_log(log).splitlines() == lines


def test_a_torn_last_line_is_left_out_and_kept_aside(tmp_path):
    path = log_file(tmp_path, "postcopy_start ", "ram_save_complete dirty=96", end="")
    log = read_log(path)
    assert log.events == ("postcopy_start",)
    assert log.torn_line == "ram_save_complete dirty=96"


def test_unknown_events_and_unknown_texts_are_kept(tmp_path):
    lines = [
        "1@0.000001:an_event_of_tomorrow x=1 and more",
        "1@0.000002:ram_save_complete pages=4 of 5",
        "1@0.000003:nothing_after_the_name",
    ]
    log = read_log(log_file(tmp_path, *lines))
    assert [parse(message) for message in log.messages] == [
        ("an_event_of_tomorrow", {"text": "x=1 and more"}),
        ("ram_save_complete", {"text": "pages=4 of 5"}),
        ("nothing_after_the_name", {"text": ""}),
    ]
    assert write_log(log).splitlines()[:2] == lines[:2]


def test_lines_that_are_no_trace_lines_are_counted(tmp_path):
    lines = [
        "qemu-system-x86_64: warning: no room",
        "2026-11-22T23:37:47.704237Z postcopy_start ",
        "2026-11-22T23:37:47.704237Z qemu-system-x86_64: Unable to shutdown socket",
        "",
    ]
    log = read_log(log_file(tmp_path, *lines))
    assert len(log) == 1
    assert log.skipped_lines == 3


def test_windows_of_version_11_have_the_units_of_version_10():
    new = "migrate_transferred transferred 6829074 time_spent 100 bandwidth 546 "
    event, arguments = parse(new + "switchover_bw 68290 max_size 20487222")
    assert arguments == {
        "transferred": 6829074,
        "time_spent": 100,
        "bandwidth": 68290,
        "switchover_bw": 0,
        "max_size": 20487222,
        "bandwidth_mbit_per_s": 546,
    }
    given_bandwidth = new + "switchover_bw 125000 max_size 37500000"
    event, arguments = parse(given_bandwidth)
    assert arguments["bandwidth"] == 68290
    assert arguments["switchover_bw"] == 125000
    assert render(event, arguments) == given_bandwidth


def test_an_older_name_becomes_the_newer_one():
    old = "mark_postcopy_blocktime_end addr: 0x7f0000, dd: 0x55aa, time: 91, affected_cpu: 1"
    event, arguments = parse(old)
    assert event == "postcopy_blocktime_end"
    assert arguments["addr"] == 0x7F0000
    assert render(event, arguments) == old


def test_no_block_name_is_read_as_none():
    line = "migrate_handle_rp_req_pages in (null) at 0x5db000 len 0x1000"
    assert parse(line)[1] == {"block": None, "start": 0x5DB000, "len": 4096}


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    event: Event = draw(st.sampled_from(EVENTS))
    names = st.from_regex(r"[a-z][a-z0-9./@-]{0,20}", fullmatch=True)
    values = {
        "int": st.integers(-(2**31), 2**63 - 1),
        "hex": st.integers(0, 2**63 - 1),
        "block": st.one_of(st.none(), names),
    }
    arguments = {a.name: draw(values.get(a.kind, names)) for a in event.arguments}
    return event.name, arguments


@given(messages())
def test_what_is_rendered_is_parsed_back(message):
    event, arguments = message
    text = render(event, arguments)
    again = parse(text)
    if event != "migrate_transferred":
        assert again == (event, arguments)
    assert render(*again) == text


@given(
    st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=30),
    st.sampled_from(["pid", "iso"]),
)
def test_times_survive_writing_and_reading(tmp_path_factory, microseconds, form):
    times = np.array(microseconds, dtype=np.int64) * 1000
    log = EventLog("source", times, np.zeros(len(times), int), ["postcopy_start "], "iso")
    text = write_log(log, form, epoch_ns=1748381938 * 10**9)
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_text(text)
    again = read_log(path, epoch_ns=1748381938 * 10**9)
    assert again.t_ns.tolist() == times.tolist()
    assert write_log(again) == text


def test_arguments_come_as_columns(tmp_path):
    lines = [
        "ram_save_complete dirty=5, done=0",
        "get_queued_page pc.ram/0x3000 page_abs=0x3",
        "ram_save_complete dirty=0, done=1",
    ]
    log = read_log(log_file(tmp_path, *lines))
    assert log.rows("ram_save_complete").tolist() == [0, 2]
    assert log.column("ram_save_complete", "dirty").tolist() == [5, 0]
    assert log.column("ram_save_complete", "absent", missing=-1).tolist() == [-1, -1]
    assert log.texts("get_queued_page", "block") == ["pc.ram"]
    assert log.column("get_queued_page", "page_abs").tolist() == [3]
    frame = log.frame()
    assert frame["arguments"].tolist()[0] == '{"dirty": 5, "done": 0}'
    assert frame["t_ns"].isna().all()


def test_a_log_larger_than_one_piece(tmp_path):
    count = 200_000
    lines = [
        f"1@{k // 1000}.{k % 1000:03d}000:migrate_pending_exact p{k % 7}" for k in range(count)
    ]
    log = read_log(log_file(tmp_path, *lines))
    assert len(log) == count
    assert len(log.messages) == 7
    assert np.diff(log.t_ns).tolist() == [1_000_000] * (count - 1)
    assert log.message_index[-1] == (count - 1) % 7


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"It was a dark and stormy night.\nindeed it was\n", "no trace line"),
        (bytes(range(256)) * 40, "no trace line"),
        (b"postcopy_start ", "no line end"),
        (gzip.compress(b"postcopy_start \n" * 9000)[:60], "cut off or damaged"),
        (b'{"outcome": "completed"}\n', "no trace line"),
    ],
    ids=["empty", "prose", "binary", "one torn line", "cut gzip", "json"],
)
def test_what_is_no_log_gets_one_line(tmp_path, content, said):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TraceLogError) as caught:
        read_log(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_log_a_folder_and_a_wrong_side(tmp_path):
    with pytest.raises(TraceLogError, match="No such file"):
        read_log(tmp_path / "absent")
    with pytest.raises(TraceLogError, match="directory"):
        read_log(tmp_path)
    with pytest.raises(InputError, match="allowed source, dest"):
        read_log(log_file(tmp_path, "postcopy_start "), "left")


def test_a_bare_log_has_no_times_to_write(tmp_path):
    log = read_log(log_file(tmp_path, "postcopy_start "))
    with pytest.raises(TraceLogError, match="form='bare'"):
        write_log(log, "iso")
    with pytest.raises(InputError, match="allowed bare, pid, iso"):
        write_log(log, "xml")
