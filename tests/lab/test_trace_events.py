"""Which events are logged, and a log followed while it is written."""

from pathlib import Path

from migkit.lab.qemus import Qemu
from migkit.lab.trace_events import LOGGED, LogFollower, write_events


def test_events_that_a_qemu_lacks_are_not_asked_of_it(tmp_path: Path) -> None:
    (tmp_path / "trace-events-all").write_text(
        "# comment (with brackets)\n"
        'migrate_set_state(const char *new_state) "new state %s"\n'
        'disable ram_save_complete(uint64_t dirty_pages, int done) "dirty=%d"\n'
        'something_else(void) ""\n'
    )
    qemu = Qemu(("qemu",), (10, 0, 13), "lab", tmp_path, (tmp_path,))
    write_events(qemu, tmp_path / "events")
    assert (tmp_path / "events").read_text().split() == ["migrate_set_state", "ram_save_complete"]
    write_events(Qemu(("qemu",), (10, 0, 13), "given", tmp_path), tmp_path / "events")
    assert tuple((tmp_path / "events").read_text().split()) == LOGGED


def test_a_log_of_either_form_is_followed_line_by_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = LogFollower(log)
    assert list(follower.events()) == []
    log.write_text("2026-11-22T23:43:23.266998Z migrate_set_state new state setup\n12@5.000001:ra")
    assert list(follower.events()) == [("migrate_set_state", "new state setup")]
    with log.open("a") as more:
        more.write("m_save_complete dirty=5, done=0\nqemu: a warning\n7@1.5:savevm_state_setup \n")
    assert list(follower.events()) == [
        ("ram_save_complete", "dirty=5, done=0"),
        ("savevm_state_setup", ""),
    ]
    assert list(follower.events()) == []
