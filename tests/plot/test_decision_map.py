"""The decision map says what the engine's rules say, and shows all four points."""

import pytest
from matplotlib.axes import Axes

from migkit import plot
from migkit.evidence import boundary_table
from migkit.plot.decision_map import STATES, regions

FRAME = plot.decision_frame()


def at(state: str, pending_over_threshold: float) -> tuple[str, str]:
    ratio = FRAME["pending_pages"] / FRAME["threshold_pages"]
    row = FRAME[(FRAME["state"] == state) & (ratio == pending_over_threshold)].iloc[0]
    return row["before"], row["after"]


@pytest.mark.parametrize(
    ("state", "ratio", "before", "after"),
    [
        ("postcopy", 0.5, "complete", "iterate"),
        ("postcopy", 0.0, "complete", "complete"),
        ("postcopy", 1.0, "iterate", "iterate"),
        ("precopy, postcopy\nasked for", 0.5, "complete", "postcopy_start"),
        ("precopy, postcopy\nasked for", 1.0, "postcopy_start", "postcopy_start"),
        ("precopy", 1.0, "iterate", "complete"),
        ("precopy", 0.5, "complete", "complete"),
        ("precopy", 1.5, "iterate", "iterate"),
    ],
)
def test_the_map_agrees_with_the_commit(state: str, ratio: float, before: str, after: str) -> None:
    assert at(state, ratio) == (before, after)


def test_the_map_agrees_with_the_table_of_edges() -> None:
    edges = boundary_table()
    edges = edges[edges["threshold_bytes"] > 0]
    names = {phase: name for name, phase in STATES.items()}
    pairs = 0
    for edge in edges.itertuples():
        state = names.get((bool(edge.in_postcopy), bool(edge.in_postcopy or edge.start_postcopy)))
        ratio = edge.pending_bytes / edge.threshold_bytes
        if state is not None and ratio in (0.0, 1.0):
            assert at(state, ratio) == (edge.before, edge.after)
            pairs += 1
    assert pairs >= 4


def test_exact_syncs_are_saved_in_postcopy_only() -> None:
    saved = FRAME[FRAME["exact_before"] & ~FRAME["exact_after"]]
    assert set(saved["state"]) == {"postcopy"}
    assert (saved["pending_pages"] < saved["threshold_pages"]).all()


def test_regions_cover_the_axis_without_gaps() -> None:
    for _state, cells in FRAME.groupby("state", sort=False):
        found = regions(cells)
        assert found["end"].tolist()[:-1] == pytest.approx(found["start"].tolist()[1:])
        assert found["end"].iloc[-1] == 2


def test_all_four_points_are_named_once(ax: Axes) -> None:
    plot.decision_map(FRAME, ax=ax)
    words = " ".join(text.get_text() for text in ax.texts)
    assert [words.count(point) for point in ("(1) (2)", "(3)", "(4)")] == [1, 1, 1]
    assert ax.get_xlabel() == "pending / threshold"


def test_where_the_rules_differ_the_map_is_strong(ax: Axes) -> None:
    plot.decision_map(FRAME, ax=ax)
    brightness = [sum(bar.get_facecolor()[:3]) for bar in ax.patches]
    assert sum(value < 1.2 for value in brightness) == 3
    assert sum(value > 2.5 for value in brightness) == len(brightness) - 3
