"""Nothing is lost and nothing is made up: bytes, pages, time, states."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings

from migkit import _engine
from migkit.plan import Plan
from migkit.plan.handlers import BITMAPS, VFIO
from migkit.schema import EVENT_CODES, STATES
from tests.engine.strategies import plans

RECORD = {"normal": 4096 + 8, "zero": 9}
DELTA_HEADER = 8
SECTION_FRAME = 10
END_MARK = 8
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def rows(recording: dict, event: str) -> np.ndarray:
    """Return the recorded events of one name."""
    events = recording["events"]
    return events[events[:, 1] == EVENT_CODES[event]]


def is_mapped(plan: Plan) -> bool:
    """Tell whether each page has its own place in a file."""
    return plan.target is not None and plan.target.mapped_ram


def bitmap_bytes(plan: Plan) -> list[int]:
    """Return the size of each migrated block's bitmap in a file: whole words."""
    return [
        (pages + 63) // 64 * 8
        for index, pages in enumerate(plan.block_pages)
        if index not in plan.ignored_blocks
    ]


@SETTINGS
@given(plan=plans())
def test_ram_bytes_are_pages_times_their_cost(plan: Plan) -> None:
    """RAM counters = records + end marks of passes + names of blocks, and no byte more."""
    recording = _engine.run(plan)
    counters = recording["counters"]
    ram_bytes = sum(counters[f"{phase}_bytes"] for phase in ("precopy", "downtime", "postcopy"))
    if is_mapped(plan):
        own = 0 if plan.multifd else counters["normal_pages"]  # else the channels write them
        rest = ram_bytes - own * 4096
        marks = END_MARK * len(recording["iterations"]["t_ns"])
        assert 0 <= rest <= sum(bitmap_bytes(plan)) + marks
        return
    records = (
        counters["normal_pages"] * RECORD["normal"] + counters["duplicate_pages"] * RECORD["zero"]
    )
    # QEMU counts a delta without its header, and one that overflowed as a page besides the page.
    overflows = counters.get("xbzrle_overflow", 0)
    deltas = counters.get("xbzrle_pages", 0) - overflows
    rest = ram_bytes - records - counters.get("xbzrle_bytes", 0) + overflows * 4096
    if plan.multifd is None:  # else pages went by the channels: tests.engine.test_multifd
        assert rest >= 0
    sent = counters["normal_pages"] + counters["duplicate_pages"]
    headers = DELTA_HEADER * deltas  # those of pages without a change were not sent
    most = max(1 + size for size in plan.block_id_bytes)
    marks = END_MARK * len(recording["iterations"]["t_ns"])
    assert rest <= headers + (sent + deltas) * most + marks


@SETTINGS
@given(plan=plans())
def test_pages_sent_are_pages_that_were_dirty(plan: Plan) -> None:
    """All pages + those dirtied again = those sent + those left."""
    recording = _engine.run(plan)
    counters = recording["counters"]
    if counters["status"] == "postcopy-paused" or len(rows(recording, "postcopy_pause_continued")):
        return  # what was on its way is sent again
    migrated = counters["total_bytes"] // 4096
    dirtied = migrated + int(recording["rounds"]["new_dirty_pages"].sum())
    sent = counters["normal_pages"] + counters["duplicate_pages"]
    if plan.xbzrle is not None:  # a hit goes as a record or not at all; an overflow goes whole
        sent += counters["xbzrle_pages"] - counters["xbzrle_overflow"]
    left = dirtied - sent
    if counters["status"] == "completed":
        assert left == 0
    elif plan.multifd is None:
        assert left * 4096 == counters["remaining_bytes"]
    else:  # a batch of 128 pages, and what each channel has in hand
        held = left - counters["remaining_bytes"] // 4096
        assert 0 <= held <= 128 * (1 + plan.multifd.channels) + 1


@SETTINGS
@given(plan=plans())
def test_a_completed_stream_is_its_parts(plan: Plan) -> None:
    """transferred = RAM + commands + framing + device state, the package counted twice."""
    recording = _engine.run(plan)
    counters = recording["counters"]
    if counters["status"] != "completed" or len(rows(recording, "postcopy_pause_continued")):
        return
    ram_bytes = sum(counters[f"{phase}_bytes"] for phase in ("precopy", "downtime", "postcopy"))
    commands = rows(recording, "savevm_command_send")
    sections = len(rows(recording, "savevm_section_start"))
    names = sum(len(item["name"]) for item in plan.iterables)
    listed = 9 + (8 if plan.lists_addresses else 0) + (28 if is_mapped(plan) else 0)
    blocks = sum(listed + size for size in plan.block_id_bytes)
    header = 13 + len(plan.machine_name) + plan.configuration_bytes
    early = plan.early_device_state_bytes
    setup = early + 14 + 3 + 8 + blocks + END_MARK + 5 + len(plan.iterables) * (14 + 5) + names
    postcopy = len(rows(recording, "postcopy_start")) > 0
    # The END section's mark, and in postcopy that of the empty section before the switch.
    # Without postcopy-ram, RAM ends in the switch and once more.
    uncounted_marks = END_MARK * (1 if not postcopy else 2 if plan.postcopy_ram else 3)
    uncounted_marks -= END_MARK if plan.snapshot else 0
    words = 8  # MULTIFD_FLUSH at each sync; a file has none
    if plan.multifd is None or not plan.multifd.packets or plan.multifd.flush_after_each_section:
        words = 0
    channels = counters["multifd_bytes"] + words * len(rows(recording, "multifd_send_sync_main"))
    devices = plan.device_state_bytes + 1 + (0 if postcopy else plan.vmdesc_bytes)
    for item in plan.iterables:
        if item["kind"] == VFIO:
            setup += 16
            devices += 14 + len(item["name"]) + 16 + item["config_bytes"] + 5
        if item["kind"] == BITMAPS:
            setup += 1 + sum(6 + 1 + bitmap["name_bytes"] for bitmap in item["bitmaps"])
            nodes = [(bitmap["node"], bitmap["node_bytes"]) for bitmap in item["bitmaps"]]
            setup += sum(1 + size for _, size in dict.fromkeys(nodes))
    parts = (
        ram_bytes
        + int((5 + commands[:, 3]).sum())
        + SECTION_FRAME * sections
        + sum(counters["handler_sent_bytes"])
        + header
        + setup
        + uncounted_marks
        + devices
        + counters["package_bytes"]
        + channels
        + counters["snapshot_buffer_bytes"]
    )
    assert counters["transferred_bytes"] == parts


@SETTINGS
@given(plan=plans())
def test_time_never_goes_back_and_states_follow_each_other(plan: Plan) -> None:
    """Events are in the order of time, and every state has a legal predecessor."""
    recording = _engine.run(plan)
    assert (np.diff(recording["events"][:, 0]) >= 0).all()
    for table in ("iterations", "rounds", "windows"):
        assert (np.diff(recording[table]["t_ns"]) >= 0).all()
    seen = [STATES[code] for code in rows(recording, "migrate_set_state")[:, 2]]
    assert seen[0] == "setup"
    legal = {
        "setup": {"active", "cancelling", "failed"},
        "active": {"device", "pre-switchover", "cancelling", "failed", "completed"},
        "pre-switchover": {"device", "cancelling", "failed"},
        "device": {"postcopy-device", "postcopy-active", "completed", "failed", "cancelling"},
        # The older rule may complete before the destination has loaded the package.
        "postcopy-device": {
            "postcopy-active",
            "failed",
            *(set() if plan.rule_after else {"completed"}),
        },
        "postcopy-active": {"completed", "failed", "postcopy-paused"},
        "postcopy-paused": {"postcopy-recover-setup"},
        "postcopy-recover-setup": {"postcopy-recover", "postcopy-paused"},
        "postcopy-recover": {"postcopy-active", "postcopy-paused"},
        "cancelling": {"cancelled"},
    }
    for state, following in pairwise(seen):
        assert following in legal[state]
        if (state, following) == ("active", "completed"):
            assert plan.snapshot is not None


@SETTINGS
@given(plan=plans())
def test_after_the_rewrite_postcopy_ends_only_at_nothing_pending(plan: Plan) -> None:
    """The commit's second point, for any scenario; and its first: no exact query in postcopy."""
    recording = _engine.run(plan)
    iterations = recording["iterations"]
    in_postcopy = iterations["in_postcopy"] == 1
    completed = in_postcopy & (iterations["decision"] == 1)
    if plan.rule_after:
        assert (iterations["pending_estimate_bytes"][completed] == 0).all()
        assert recording["counters"]["exact_queries_in_postcopy"] == 0
    else:
        pending = iterations["pending_estimate_bytes"][completed]
        threshold = iterations["threshold_size_bytes"][completed]
        assert ((pending == 0) | (pending < threshold)).all()
