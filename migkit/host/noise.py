"""What differs from one run to the next on the same machine, drawn with a seed.

Every draw is number n of a stream of `migkit.oracle.draws.counter`, so a replicate is the same
wherever and whenever it is run. A profile without noise has nothing to draw.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migkit.errors import HostProfileError, did_you_mean
from migkit.oracle.draws import counter, stream_key
from migkit.records import check_numbers, record

if TYPE_CHECKING:
    from migkit.host.profile import HostProfile

__all__ = ["Noise"]

_NOISE_STREAM = 0x6E6F697365
"""Keeps the draws apart from every other stream of the same seed."""
_COSTS, _WAKES, _HOST_LOAD, _COMMANDS, _SEGMENT = 0, 1, 2, 3, 4
_FRACTION_BITS = 32
_LARGEST = 2**53 - 1


@dataclass(frozen=True)
class Noise:
    """How a machine's costs vary: each list holds equally likely values, sorted.

    Parameters
    ----------
    limiter_late_ns : tuple of tuple of int
        Lateness of the rate limiter's wake-ups beyond the usual. A host is quiet in one run and
        busy in the next: each run draws one of the lists, each wake-up one value of it.
    workload_lead_shift_ns : tuple of int
        What is added to the time the workload has run when migration starts, below 0 if it has
        run for less; quantiles, one draw a run, between two of them in proportion.
    command_shift_ns : tuple of int
        How much later, or below 0 earlier, a command is given and watching ends than the scenario
        says: people and programs look at a migration now and then. Quantiles, a draw a command.
    held_segment_permille : int
        In how many of 1000 runs the last segment of a precopy stream is held back where that
        can be, see `LandingCosts.held_segment_ns`. Over loopback with a return path (QEMU 10.0.13
        and 11.1.3, 86 runs of 3 s) it was in 9 of 12 whose destination had loaded RAM before the
        devices were saved, and in 1 of the 74 others.
    held_segment_ns : tuple of int
        For how long, quantiles; there 35 to 47 ms, mostly 43.
    costs : mapping
        Name of a cost of the host profile (``postcopy.socket_bytes`` for those of a part) to its
        quantiles, drawn likewise once a run.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole, or a list is not sorted.
    """

    limiter_late_ns: tuple[tuple[int, ...], ...] = ()
    workload_lead_shift_ns: tuple[int, ...] = ()
    command_shift_ns: tuple[int, ...] = ()
    held_segment_permille: int = 0
    held_segment_ns: tuple[int, ...] = ()
    costs: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check every list."""
        late = tuple(_quantiles("limiter_late_ns", values) for values in self.limiter_late_ns)
        object.__setattr__(self, "limiter_late_ns", late)
        for name in ("workload_lead_shift_ns", "command_shift_ns"):
            shifts = _quantiles(name, getattr(self, name), least=-_LARGEST)
            object.__setattr__(self, name, shifts)
        held = _quantiles("held_segment_ns", self.held_segment_ns)
        object.__setattr__(self, "held_segment_ns", held)
        check_numbers("noise", self, HostProfileError)
        if self.held_segment_permille > (1000 if held else 0):
            raise HostProfileError.of(
                f"noise: held_segment_permille {self.held_segment_permille}",
                "allowed 0..1000, and above 0 with held_segment_ns",
                "give both",
            )
        costs = {name: _quantiles(name, values) for name, values in self.costs.items()}
        object.__setattr__(self, "costs", costs)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Noise:
        """Read the table ``noise`` of a host profile.

        Parameters
        ----------
        values : mapping
            The fields by name.

        Returns
        -------
        Noise
            The noise.

        Raises
        ------
        HostProfileError
            If a field is unknown or its values are not valid.
        """
        return record(cls, values, "noise", HostProfileError)

    def late_ns(self, seed: int, replicate: int) -> tuple[int, ...]:
        """Return what the wake-ups of one replicate are drawn from."""
        if not self.limiter_late_ns:
            return ()
        number = counter(stream_key(_run_key(seed, replicate), _HOST_LOAD), 0)
        return self.limiter_late_ns[number * len(self.limiter_late_ns) >> 64]

    def key(self, seed: int, replicate: int) -> int:
        """Return the key of the wake-ups of one replicate."""
        return stream_key(_run_key(seed, replicate), _WAKES)

    def perturbed(self, host: HostProfile, seed: int, replicate: int) -> HostProfile:
        """Return the profile with the costs of one replicate.

        Parameters
        ----------
        host : HostProfile
            The machine.
        seed, replicate : int
            Which draws.

        Returns
        -------
        HostProfile
            Costs without quantiles are the profile's own.

        Raises
        ------
        HostProfileError
            If the profile has no cost of a name.
        """
        known = [*_costs(host), *(f"postcopy.{name}" for name in _costs(host.postcopy))]
        key = stream_key(_run_key(seed, replicate), _COSTS)
        drawn: dict[str, Any] = {}
        postcopy: dict[str, Any] = {}
        for name, values in self.costs.items():
            if name not in known:
                raise HostProfileError.of(
                    f"noise: {name}", "not a cost of the profile", did_you_mean(name, known)
                )
            group = postcopy if name.startswith("postcopy.") else drawn
            cost = between(values, counter(key, known.index(name) + 1))
            group[name.removeprefix("postcopy.")] = cost
        if self.held_segment_permille:
            drawn["landing"] = dataclasses.replace(
                host.landing, held_segment_ns=self._held_ns(seed, replicate)
            )
        drawn["postcopy"] = dataclasses.replace(host.postcopy, **postcopy)
        return dataclasses.replace(host, **drawn)

    def _held_ns(self, seed: int, replicate: int) -> int:
        """Return for how long one replicate's last segment is held, if it can be."""
        key = stream_key(_run_key(seed, replicate), _SEGMENT)
        if counter(key, 0) * 1000 >> 64 >= self.held_segment_permille:
            return 0
        return between(self.held_segment_ns, counter(key, 1))

    def lead_shift_ns(self, seed: int, replicate: int) -> int:
        """Return what is added to the workload's lead in one replicate."""
        key = stream_key(_run_key(seed, replicate), _COSTS)
        return between(self.workload_lead_shift_ns, counter(key, 0))

    def command_shifts_ns(self, seed: int, replicate: int, count: int) -> tuple[int, ...]:
        """Return what is added to the times of so many commands in one replicate."""
        key = stream_key(_run_key(seed, replicate), _COMMANDS)
        return tuple(between(self.command_shift_ns, counter(key, n)) for n in range(count))


def _costs(owner: Any) -> list[str]:
    return [item.name for item in dataclasses.fields(owner) if item.type == "int"]


def between(quantiles: tuple[int, ...], number: int) -> int:
    """Return the value at a random place among equally spaced quantiles.

    Parameters
    ----------
    quantiles : tuple of int
        The smallest to the largest; without any, 0 is drawn.
    number : int
        64 random bits.

    Returns
    -------
    int
        Between two of them in proportion, rounded down.

    Examples
    --------
    >>> between((10, 20, 40), 1 << 62), between((10, 20, 40), 3 << 62), between((7,), 5)
    (15, 30, 7)
    """
    if not quantiles:
        return 0
    place = number * (len(quantiles) - 1) >> (64 - _FRACTION_BITS)
    index, part = place >> _FRACTION_BITS, place & ((1 << _FRACTION_BITS) - 1)
    if index + 1 >= len(quantiles):
        return quantiles[-1]
    return quantiles[index] + ((quantiles[index + 1] - quantiles[index]) * part >> _FRACTION_BITS)


def _run_key(seed: int, replicate: int) -> int:
    return stream_key(stream_key(seed, _NOISE_STREAM), replicate)


def _quantiles(name: str, values: Any, least: int = 0) -> tuple[int, ...]:
    try:
        plain = tuple(operator.index(value) for value in values)
    except TypeError:
        plain = (least - 1,)
    inside = all(least <= value <= _LARGEST for value in plain)
    if list(plain) != sorted(plain) or not inside:
        raise HostProfileError.of(
            f"noise: {name} {values!r}",
            f"allowed sorted whole numbers, {least} or more",
            "give such a list",
        )
    return plain
