"""Words for what is in pages and what writes leave there."""

from __future__ import annotations

import pytest
from hypothesis import given

from migkit import Scenario
from migkit.errors import InputError
from migkit.guest.content import Content
from migkit.guest.writes import Change, Writes
from tests.engine.content_strategies import contents, writes


@given(contents(1000))
def test_content_is_read_as_it_was_written(content: Content) -> None:
    """Every content has a text of its own."""
    assert Content.parse(str(content)) == content


@given(writes())
def test_writes_are_read_as_they_were_written(outcome: Writes) -> None:
    """Every outcome of a write has a text of its own."""
    assert Writes.parse(str(outcome)) == outcome


def test_ratio_is_a_share_of_the_page() -> None:
    """A page that compresses by R holds 4096 / R bytes of data; one that cannot, all."""
    shares = Content.parse("compressible(1):50%,compressible(4):25%,compressible(4096):25%").shares
    assert [data for data, _ in shares] == [4096, 1024, 1]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("zero:30%,random:50%", "sum up to 100"),
        ("zero:30,random:70%", "no share"),
        ("rnadom", "did you mean random"),
        ("compressible", "?"),
        ("compressible(0.5)", "allowed 1..4096"),
        ("data(5000)", "allowed 0..4096"),
        ("random,,zero", "empty"),
        ("random,run=0", "allowed 1.."),
        ("random,grain=4", "no setting"),
        ("random,zero@x+5", "whole number"),
        ("", "empty"),
        (",".join(f"data({n}):10%" for n in range(1, 11)), "at most 8"),
    ],
)
def test_bad_content_is_refused_with_a_way_out(text: str, part: str) -> None:
    """One line that names the value and what is allowed."""
    with pytest.raises(InputError, match=r"·.*·") as refused:
        Content.parse(text)
    assert part in str(refused.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("count:50%/zero:50%", "count alone"),
        ("delta(0x4)", "allowed 1..512"),
        ("delta(1x5000)", "allowed 1..4096"),
        ("delta", "did you mean delta(1x8)"),
        ("zero:50%", "sum up to 100"),
    ],
)
def test_bad_writes_are_refused_with_a_way_out(text: str, part: str) -> None:
    """One line that names the value and what is allowed."""
    with pytest.raises(InputError) as refused:
        Writes.parse(text)
    assert part in str(refused.value)


def test_values_of_another_kind_are_refused() -> None:
    """A text where a Content belongs, an unknown kind of change, two tellings of one thing."""
    with pytest.raises(InputError, match="Writes"):
        Scenario.build(workload="idle").workload.__class__(writes="zero")
    with pytest.raises(InputError, match="did you mean fill"):
        Change("fil")
    with pytest.raises(InputError, match="content tells it already"):
        Scenario.build(memory="16MiB", nonzero_percent=5, content="random")
