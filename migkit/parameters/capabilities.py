"""QEMU's migration capabilities: names, which exclude or require each other, which are modelled.

The rules are those of QEMU's migration/options.c (migrate_caps_check), for 10.0 and from 10.1 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from migkit.errors import InputError, ScenarioError, did_you_mean
from migkit.parameters.migration import MigrationParameters

__all__ = ["CAPABILITIES", "SIMULATED", "Capabilities"]

CAPABILITIES: tuple[str, ...] = (
    "xbzrle",
    "rdma-pin-all",
    "auto-converge",
    "zero-blocks",
    "events",
    "postcopy-ram",
    "x-colo",
    "release-ram",
    "return-path",
    "pause-before-switchover",
    "multifd",
    "dirty-bitmaps",
    "postcopy-blocktime",
    "late-block-activate",
    "x-ignore-shared",
    "validate-uuid",
    "background-snapshot",
    "zero-copy-send",
    "postcopy-preempt",
    "switchover-ack",
    "dirty-limit",
    "mapped-ram",
)
"""Every capability, in QEMU's order; all are off by default."""

SIMULATED: frozenset[str] = frozenset(
    {
        "postcopy-ram",
        "return-path",
        "postcopy-blocktime",
        "postcopy-preempt",
        "events",
        "pause-before-switchover",
        "auto-converge",
        "dirty-limit",
        "multifd",
        "zero-copy-send",
        "xbzrle",
        "dirty-bitmaps",
        "switchover-ack",
        "release-ram",
        "x-ignore-shared",
        "background-snapshot",
        "mapped-ram",
    }
)
"""The capabilities that the engine models."""

_SNAPSHOT_EXCLUDES = (
    "postcopy-ram",
    "dirty-bitmaps",
    "postcopy-blocktime",
    "late-block-activate",
    "return-path",
    "multifd",
    "pause-before-switchover",
    "auto-converge",
    "release-ram",
    "rdma-pin-all",
    "xbzrle",
    "x-colo",
    "validate-uuid",
    "zero-copy-send",
)
_EXCLUDES: tuple[tuple[str, str], ...] = (
    ("xbzrle", "multifd"),
    ("xbzrle", "mapped-ram"),
    ("xbzrle", "zero-copy-send"),
    ("auto-converge", "dirty-limit"),
    ("postcopy-ram", "x-ignore-shared"),
    ("postcopy-ram", "mapped-ram"),
    *(("background-snapshot", other) for other in _SNAPSHOT_EXCLUDES),
)
_EXCLUDES_BEFORE_10_1: tuple[tuple[str, str], ...] = (("multifd", "postcopy-ram"),)
_REQUIRES: tuple[tuple[str, str], ...] = (
    ("zero-copy-send", "multifd"),
    ("postcopy-preempt", "postcopy-ram"),
    ("switchover-ack", "return-path"),
)


@dataclass(frozen=True)
class Capabilities(Set[str]):
    """The capabilities that are on: a set of QEMU's names.

    Parameters
    ----------
    names : iterable of str
        QEMU's names.

    Raises
    ------
    InputError
        If a name is unknown; the nearest known one is suggested.

    Examples
    --------
    >>> on = Capabilities(["return-path", "postcopy-ram"])
    >>> "postcopy-ram" in on, list(on)
    (True, ['postcopy-ram', 'return-path'])
    >>> Capabilities(["x-colo", "events"]).not_simulated()
    ('x-colo',)
    """

    names: frozenset[str] = frozenset()

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str):
            names = (names,)
        wanted = frozenset(names)
        for name in sorted(wanted.difference(CAPABILITIES)):
            raise InputError.of(
                f"capability {name}",
                "not a migration capability of QEMU",
                did_you_mean(name, CAPABILITIES),
            )
        object.__setattr__(self, "names", wanted)

    def __contains__(self, name: object) -> bool:
        """Tell whether a capability is on."""
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        """Walk the names in QEMU's order."""
        return (name for name in CAPABILITIES if name in self.names)

    def __len__(self) -> int:
        """Count the capabilities that are on."""
        return len(self.names)

    @classmethod
    def from_qmp(cls, states: Mapping[str, object]) -> Capabilities:
        """Read a mapping of names to on and off.

        Parameters
        ----------
        states : mapping of str to bool
            QEMU's names; those that are False are off.

        Returns
        -------
        Capabilities
            Those that are on.

        Raises
        ------
        InputError
            If a name is unknown, or a value is not true or false.
        """
        cls(states)
        for name, state in states.items():
            if not isinstance(state, bool):
                raise InputError.of(
                    f"capability {name} {state!r}", "allowed true or false", "give one of them"
                )
        return cls(name for name, state in states.items() if state)

    def to_qmp(self) -> dict[str, bool]:
        """Write those that are on, in QEMU's order.

        Returns
        -------
        dict
            QEMU's names, each True.
        """
        return dict.fromkeys(self, True)

    def not_simulated(self) -> tuple[str, ...]:
        """Name those that the engine does not model.

        Returns
        -------
        tuple of str
            QEMU's names, in QEMU's order; empty when all are modelled.
        """
        return tuple(name for name in self if name not in SIMULATED)

    def check(self, parameters: MigrationParameters, qemu_version: str = "10.2.2") -> None:
        """Refuse what QEMU's migrate_caps_check (migration/options.c) refuses.

        Parameters
        ----------
        parameters : MigrationParameters
            Some capabilities restrict parameters.
        qemu_version : str
            Version whose rules count; multifd with postcopy-ram is accepted from 10.1 on.

        Raises
        ------
        ScenarioError
            At the first pair that cannot be on together, or that needs another one.
        """
        old = version_numbers(qemu_version) < (10, 1)
        for first, second in _EXCLUDES + (_EXCLUDES_BEFORE_10_1 if old else ()):
            if first in self and second in self:
                raise ScenarioError.of(
                    f"capabilities {first} and {second}",
                    f"QEMU {qemu_version} refuses them together",
                    f"leave out {first} or {second}",
                )
        for name, needed in _REQUIRES:
            if name in self and needed not in self:
                raise ScenarioError.of(
                    f"capability {name}", f"it needs {needed}, which is off", f"add {needed}"
                )
        self.check_parameters(parameters, parameters)

    def check_parameters(self, before: MigrationParameters, after: MigrationParameters) -> None:
        """Refuse what QEMU's migrate_params_check refuses with these capabilities on.

        Parameters
        ----------
        before, after : MigrationParameters
            Those in force, which decide for mapped-ram; those to be, which do for zero-copy-send.

        Raises
        ------
        ScenarioError
            If pages are to be compressed or encrypted that have to go out as they are.
        """
        for name, parameters in (("zero-copy-send", after), ("mapped-ram", before)):
            if name not in self:
                continue
            if parameters.multifd_compression != "none" or parameters.tls_creds:
                raise ScenarioError.of(
                    f"capability {name}",
                    f"multifd-compression is {parameters.multifd_compression}, "
                    f"tls-creds {parameters.tls_creds!r}; allowed none and empty",
                    f"leave out {name}, or compression and TLS",
                )


def version_numbers(qemu_version: str) -> tuple[int, ...]:
    """Split QEMU's version into numbers that compare.

    Parameters
    ----------
    qemu_version : str
        Such as ``"10.2.2"``.

    Returns
    -------
    tuple of int
        The numbers.

    Raises
    ------
    InputError
        If it is not numbers joined by dots.

    Examples
    --------
    >>> version_numbers("10.0.13") < version_numbers("10.2.2")
    True
    """
    try:
        return tuple(int(part) for part in qemu_version.split("."))
    except (ValueError, AttributeError):
        raise InputError.of(
            f"QEMU version {qemu_version!r}", "allowed numbers joined by dots", "write 10.2.2"
        ) from None
