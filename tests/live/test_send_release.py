"""release-ram: what the destination has is given back here, and nothing that it still lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.send_peer import SIZE, contents, save_guest
from live.test_send_receive import moved
from migkit.errors import InputError
from migkit.live import ArenaGuest, send
from migkit.live.sending.guest_image import read_image

MEMORY = {"pc.ram": contents(1500, 300), "rom": contents(30, 2, seed=6)}
SLOW = {"max-bandwidth": 16 << 20, "max-postcopy-bandwidth": 16 << 20}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


@pytest.mark.parametrize("more", [(), ("postcopy-preempt",)])
@pytest.mark.parametrize("rule", ["before", "after"])
def test_every_page_is_given_back_once_and_none_too_early(
    tmp_path: Path, saved: Path, rule: str, more: tuple[str, ...]
) -> None:
    sent, came = moved(
        saved,
        tmp_path,
        "uniform:400",
        rule=rule,
        capabilities=("postcopy-ram", "release-ram", *more),
        postcopy_at_s=0.05,
        parameters=SLOW,
    )
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)
    assert sent.released_pages == sent.report()["released_pages"] == 1832
    for name, memory in MEMORY.items():
        assert np.array_equal(np.frombuffer(came.ram(name), np.uint8), memory), name


def test_in_precopy_nothing_is_given_back(tmp_path: Path, saved: Path) -> None:
    sent, came = moved(saved, tmp_path, capabilities=("return-path", "release-ram"))
    assert (sent.outcome, came.missing_pages, sent.released_pages) == ("completed", 0, 0)


def test_released_pages_are_zeros_and_the_others_stay(tmp_path: Path, saved: Path) -> None:
    image = read_image(saved)
    image.release(np.array([0, 1, 2, 700, 1499]))
    pages = image.memory.reshape(-1, SIZE)
    empty = np.flatnonzero(~pages.any(axis=1))
    assert empty.tolist() == [0, 1, 2, 700, *range(1499, 1800), 1830, 1831]


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"recover": "unix:again"}, "a recovery sends pages"),
        ({"write_memory": True}, "the result tells pages"),
    ],
)
def test_pages_that_are_needed_again_are_not_given_back(
    tmp_path: Path, saved: Path, values: dict[str, object], wrong: str
) -> None:
    on = ("postcopy-ram", "release-ram")
    with pytest.raises(InputError, match=wrong):
        send(saved, f"unix:{tmp_path}/nobody", capabilities=on, **values)  # type: ignore[arg-type]


CANNOT = {
    "background-snapshot": "not held up here",
    "dirty-bitmaps": "no block devices",
    "late-block-activate": "no block devices",
    "pause-before-switchover": "nobody is there to let it go on",
    "postcopy-blocktime": "measured where the guest goes to",
    "rdma-pin-all": "no RDMA",
    "validate-uuid": "decided when the guest was saved",
    "x-colo": "no guest runs here",
    "x-ignore-shared": "does not share this memory",
    "zero-blocks": "no block devices",
    "zero-copy-send": "copied by the system",
}


@pytest.mark.parametrize(("name", "reason"), CANNOT.items())
def test_what_makes_no_sense_here_is_refused_with_its_reason(
    tmp_path: Path, saved: Path, name: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        send(saved, f"unix:{tmp_path}/nobody", capabilities=("return-path", name))


@pytest.mark.parametrize(
    "values",
    [
        {"direct-io": True},
        {"mode": "cpr-reboot"},
        {"tls-creds": "tls0"},
        {"zero-page-detection": "none"},
    ],
)
def test_parameters_without_effect_are_refused(
    tmp_path: Path, saved: Path, values: dict[str, object]
) -> None:
    with pytest.raises(
        InputError, match=f"send with {next(iter(values))} .*it has no effect here"
    ):
        send(saved, f"unix:{tmp_path}/nobody", parameters=values)


def test_a_guest_that_runs_keeps_its_memory(tmp_path: Path) -> None:
    with ArenaGuest(1 << 20) as guest, pytest.raises(InputError, match="its memory is its own"):
        send(guest, f"unix:{tmp_path}/nobody", capabilities=("postcopy-ram", "release-ram"))
