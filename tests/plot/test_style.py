"""The house style: colours keep their distance, and the style ends with its block."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

from migkit import style
from migkit.errors import InputError
from migkit.schema import OTHER_STATES, STATES

# Linear RGB as seen without working long-, medium- or short-wave cones (Machado, Oliveira and
# Fernandes 2009, severity 1.0).
BLINDNESS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
SETS = {"phase": style.PHASE_COLOURS, "side": style.SIDE_COLOURS}
LEAST_STEP = 9


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lightness(rgb: np.ndarray) -> float:
    luminance = float(np.clip(rgb, 0, 1) @ [0.2126, 0.7152, 0.0722])
    return 116 * float(np.cbrt(luminance)) - 16 if luminance > 0.008856 else 903.3 * luminance


@pytest.mark.parametrize("colours", SETS.values(), ids=SETS)
def test_colours_differ_in_grey_print(colours: dict[str, str]) -> None:
    greys = sorted(lightness(linear(colour)) for colour in colours.values())
    assert min(np.diff(greys)) >= LEAST_STEP


@pytest.mark.parametrize("seen", BLINDNESS.values(), ids=BLINDNESS)
@pytest.mark.parametrize("colours", SETS.values(), ids=SETS)
def test_colours_differ_to_the_colour_blind(
    colours: dict[str, str], seen: list[list[float]]
) -> None:
    greys = [lightness(np.array(seen) @ linear(colour)) for colour in colours.values()]
    assert min(abs(a - b) for a, b in itertools.combinations(greys, 2)) >= LEAST_STEP / 2


def test_every_state_of_qemu_has_a_phase() -> None:
    assert set(style.PHASE_OF_STATE) == {*STATES, *OTHER_STATES}
    assert set(style.PHASE_OF_STATE.values()) <= set(style.PHASE_COLOURS)
    assert style.state_colour("active") == style.phase_colour("precopy")


@pytest.mark.parametrize(
    ("ask", "name", "message"),
    [
        (style.phase_colour, "postcpy", r"phase 'postcpy' .* did you mean postcopy\?"),
        (style.side_colour, "left", "use one of: before, after"),
        (style.state_colour, "actve", r"did you mean active\?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(ask: object, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(name)  # type: ignore[operator]


def test_recorded_is_a_thick_line_and_simulated_a_thin_one() -> None:
    recorded, simulated = (style.line_of(kind, "#123456") for kind in ("recorded", "simulated"))
    assert recorded["linewidth"] > 2 * simulated["linewidth"]
    assert simulated["zorder"] > recorded["zorder"]
    assert style.marker_of("recorded", "#123456")["markerfacecolor"] == "#123456"
    assert style.marker_of("simulated", "#123456")["markerfacecolor"] == "white"


def test_the_style_holds_inside_its_block_only() -> None:
    before = dict(mpl.rcParams)
    with style.paper("double-column", height_cm=5.08):
        assert mpl.rcParams["figure.figsize"] == pytest.approx([17.5 / 2.54, 2.0])
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["svg.fonttype"] == "none"
    assert dict(mpl.rcParams) == before


def test_the_style_ends_with_its_block_after_an_error_too() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), style.paper():
        _ = 1 / 0
    assert dict(mpl.rcParams) == before


def test_a_width_without_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="use one of: single-column, double-column"):
        style.size("page", 5)
