"""Sizes, rates and durations: exact, both ways, and refused in one clear line."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import (
    InputError,
    MigkitError,
    NotSimulatedError,
    did_you_mean,
    one_line,
)
from migkit.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
)

WHOLE = st.integers(0, 2**63 - 1)


@given(WHOLE)
def test_roundtrip_bytes(size):
    assert parse_bytes(format_bytes(size)) == size


@given(WHOLE)
def test_roundtrip_rate(rate):
    assert parse_rate(format_rate(rate)) == rate


@given(WHOLE)
def test_roundtrip_duration(duration):
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 10**6), st.sampled_from(["KiB", "MiB", "GiB"]))
def test_binary_units_are_powers_of_1024(count, unit):
    power = ["KiB", "MiB", "GiB"].index(unit) + 1
    assert parse_bytes(f"{count}{unit}") == count * 1024**power
    assert parse_bytes(f"{count} {unit[0]}") == count * 1024**power
    assert parse_rate(f"{count}{unit}/s") == count * 1024**power


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 536870912),
        ("8GiB", 8 << 30),
        ("1.5 GB", 1_500_000_000),
        ("64k", 65536),
        ("12 bytes", 12),
        (np.int64(4096), 4096),
        (4096.0, 4096),
    ],
)
def test_bytes_people_write(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("64MiB/s", 67108864),
        ("10Gbit/s", 1_250_000_000),
        ("125MB/s", 125_000_000),
        ("800Mbps", 100_000_000),
        ("1e6", 1_000_000),
        (0, 0),
    ],
)
def test_rates_people_write(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("300ms", 300_000_000),
        ("2min", 120 * 10**9),
        ("50 us", 50_000),
        ("0", 0),
        ("1h", 36 * 10**11),
    ],
)
def test_durations_people_write(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("parse", "value", "found"),
    [
        (parse_bytes, "-1", "negative"),
        (parse_bytes, "8 elephants", "'elephants' is not a size"),
        (parse_bytes, "", "not a number"),
        (parse_bytes, "0.3B", "not a whole number of bytes"),
        (parse_bytes, True, "a truth value"),
        (parse_bytes, None, "a NoneType"),
        (parse_bytes, float("nan"), "not a number"),
        (parse_bytes, "16384PiB", "over 2^63"),
        (parse_rate, "10Gb/s", "may mean bits or bytes"),
        (parse_rate, "64 MiB", "'MiB' is not a rate"),
        (parse_rate, "-64MiB/s", "negative"),
        (parse_rate, "1bit/s", "not a whole number of bytes per second"),
        (parse_duration, "300", "a unit is missing"),
        (parse_duration, "3 days", "'days' is not a time"),
        (parse_duration, "0.1ns", "not a whole number of nanoseconds"),
    ],
)
def test_refusal_is_one_line_with_value_reason_and_fix(parse, value, found):
    with pytest.raises(InputError, match=re.escape(found)) as caught:
        parse(value, "the thing")
    line = str(caught.value)
    assert line.startswith(f"the thing {value!r} · ")
    assert " · write " in line
    assert "\n" not in line


def test_errors_are_value_errors_of_one_family():
    assert issubclass(InputError, ValueError)
    assert issubclass(InputError, MigkitError)
    assert one_line("a\nb", "c", "d") == "a b · c · d"
    assert did_you_mean("max-bandwith", ["downtime-limit", "max-bandwidth"]).endswith(
        "max-bandwidth?"
    )


def test_not_simulated_names_the_capabilities():
    error = NotSimulatedError(["multifd", "xbzrle"])
    assert error.capabilities == ("multifd", "xbzrle")
    assert "multifd, xbzrle" in str(error)
