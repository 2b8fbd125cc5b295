"""The explorer's widgets, set and read without a browser."""

from io import BytesIO

import pytest
from matplotlib.axes import Axes
from PIL import Image

import migkit
from migkit.explorer import ExplorerModel
from migkit.explorer.pictures import draw, fade
from migkit.explorer.view import Explorer, cards_html

SMALL = {
    "memory": "32MiB",
    "bandwidth_bytes_per_s": 16 << 20,
    "workload": "uniform:1000,pages=8000",
}


@pytest.fixture
def explorer() -> Explorer:
    return migkit.explore(**SMALL)


def test_the_controls_show_what_the_model_holds(explorer: Explorer) -> None:
    controls = explorer.controls
    assert controls["downtime_limit_ms"].value == 300
    assert controls["bandwidth_bytes_per_s"].value == 16
    assert controls["memory"].value == "32MiB"
    assert controls["rule"].value == "after"
    assert controls["postcopy_at_s"].value == "never"
    assert explorer.model.settings.postcopy_at_s is None


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("downtime_limit_ms", 120.4, 120),
        ("bandwidth_bytes_per_s", 32.0, 32 << 20),
        ("memory", "64MiB", "64MiB"),
        ("rule", "before", "before"),
        ("postcopy_at_s", 1.0, 1.0),
        ("capabilities", ("auto-converge",), ("auto-converge",)),
    ],
)
def test_a_control_sets_the_model_and_the_model_a_control(
    explorer: Explorer, name: str, value: object, held: object
) -> None:
    control = explorer.controls[name]
    if name == "memory":
        control.options = [*control.options, value]
    control.value = value
    assert getattr(explorer.model.settings, name) == held
    other = migkit.explore(**SMALL)
    other.model.change(**{name: held})
    expected = held if name == "downtime_limit_ms" else value
    assert other.controls[name].value == expected


def test_moving_a_slider_redraws_and_says_it_anew(explorer: Explorer) -> None:
    picture, verdict, cards = explorer.picture.value, explorer.verdict.value, explorer.cards.value
    explorer.controls["bandwidth_bytes_per_s"].value = 8.0
    assert explorer.picture.value != picture
    assert explorer.verdict.value != verdict
    assert explorer.cards.value != cards
    assert explorer.model.verdict() in explorer.verdict.value


def test_the_picture_keeps_its_size_so_the_page_does_not_jump(explorer: Explorer) -> None:
    sizes = []
    for rate in (8.0, 16.0, 64.0):
        explorer.controls["bandwidth_bytes_per_s"].value = rate
        with Image.open(BytesIO(explorer.picture.value)) as image:
            sizes.append(image.size)
    assert len(set(sizes)) == 1


def test_a_value_the_model_refuses_is_said_and_taken_back(explorer: Explorer) -> None:
    workload = explorer.controls["workload"]
    workload.options = [*workload.options, ("too large", "uniform:1000,pages=9000000")]
    old = explorer.model.settings
    workload.value = "uniform:1000,pages=9000000"
    assert explorer.model.settings == old
    assert workload.value == old.workload
    assert "9000000 pages" in explorer.message.value
    explorer.controls["rule"].value = "before"
    assert explorer.message.value == ""


def test_pinning_keeps_a_run_and_unpinning_forgets_it(explorer: Explorer) -> None:
    explorer.controls["pin"].value = True
    explorer.controls["downtime_limit_ms"].value = 50
    assert explorer.model.pinned is not None
    assert explorer.model.pinned.downtime_limit_ms == 300
    explorer.controls["pin"].value = False
    assert explorer.model.pinned is None


def test_the_pinned_run_is_faint_behind_the_current_one() -> None:
    model = ExplorerModel()
    model.change(**SMALL)
    model.pin()
    model.change(workload="uniform:3000,pages=8000")
    left, right = draw(model.result, model.pinned_result).axes
    for ax in (left, right):
        faint = [line for line in ax.lines if line.get_alpha() is not None]
        strong = [line for line in ax.lines if line.get_alpha() is None]
        assert faint
        assert strong
        assert max(line.get_zorder() for line in faint) < min(
            line.get_zorder() for line in strong if line.get_zorder() >= 1
        )


def test_a_run_longer_than_the_pinned_one_is_seen_whole() -> None:
    model = ExplorerModel()
    model.change(**SMALL)
    model.pin()
    model.change(memory="64MiB", bandwidth_bytes_per_s=8 << 20)
    right = draw(model.result, model.pinned_result).axes[1]
    longest_s = model.result.summary["total-time"] / 1000
    assert model.pinned_result is not None
    assert longest_s > 2 * model.pinned_result.summary["total-time"] / 1000
    assert right.get_xlim()[1] >= longest_s
    assert right.get_ylim()[1] >= 64


def test_fading_takes_the_labels_away(explorer: Explorer) -> None:
    left: Axes = draw(explorer.model.result).axes[0]
    assert left.texts
    fade(left)
    assert not left.texts


def test_units_stand_in_the_labels_of_the_sliders(explorer: Explorer) -> None:
    assert explorer.controls["downtime_limit_ms"].description == "Downtime limit (ms)"
    assert explorer.controls["bandwidth_bytes_per_s"].description == "Bandwidth (MiB/s)"


def test_a_broken_limit_is_said_in_words_too() -> None:
    model = ExplorerModel()
    model.change(**{**SMALL, "workload": "uniform:20000,pages=8000", "downtime_limit_ms": 20})
    html = cards_html(model.numbers())
    assert "never" in html
    assert "limit 20 ms" in html
    assert "over 65 MiB" in html
