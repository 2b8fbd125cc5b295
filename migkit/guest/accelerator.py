"""What runs the guest's code, and how it tells QEMU which pages the guest wrote.

TCG logs stores itself. KVM keeps the log in the kernel and hands it over in one of three ways:
at once with a new write protection (KVM_GET_DIRTY_LOG), with a protection that QEMU asks for
later, chunk by chunk (KVM_CLEAR_DIRTY_LOG), or page by page in a ring for each vCPU.
"""

from __future__ import annotations

import operator
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError, ScenarioError, did_you_mean

__all__ = ["ACCELERATORS", "LOG_MODES", "Accelerator", "parse_accelerator"]

ACCELERATORS: tuple[str, ...] = ("tcg", "kvm")
"""What can run the guest's code."""

LOG_MODES: tuple[str, ...] = ("tcg", "get-and-clear", "manual-protect", "dirty-ring")
"""The ways of a dirty log; the position is the code of a plan."""

_SHORTEST_RING = 1024
_LONGEST_RING = 65536
_SMALLEST_CHUNK_SHIFT = 6
_LARGEST_CHUNK_SHIFT = 31


@dataclass(frozen=True)
class Accelerator:
    """The accelerator and its dirty log (accel/kvm/kvm-all.c).

    Parameters
    ----------
    name : {"tcg", "kvm"}
        What runs the guest's code.
    dirty_ring_size : int
        Entries of each vCPU's dirty ring, a power of two, 1024..65536; 0 is the bitmap. KVM only.
    manual_protect : bool
        Whether the kernel leaves the new protection to QEMU (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
        Linux 5.0). Without a ring only.
    initially_set : bool
        Whether the kernel calls every page dirty at first, and protects none before its chunk is
        cleared (KVM_DIRTY_LOG_INITIALLY_SET, Linux 5.7).
    ring_with_bitmap : bool
        Whether the last sync reads the bitmap too, for pages that no vCPU wrote (Arm).
    clear_bitmap_shift : int
        QEMU's property ``x-clear-bitmap-shift``: a chunk has 2 to this power pages, 6..31.

    Raises
    ------
    InputError
        If a value is not allowed, or one of KVM's is given to TCG.

    Examples
    --------
    >>> Accelerator("kvm", dirty_ring_size=4096).log_mode, Accelerator("kvm").log_mode
    ('dirty-ring', 'manual-protect')
    >>> Accelerator().text
    'tcg'
    """

    name: str = "tcg"
    dirty_ring_size: int = 0
    manual_protect: bool = True
    initially_set: bool = True
    ring_with_bitmap: bool = False
    clear_bitmap_shift: int = 18

    def __post_init__(self) -> None:
        """Check every value."""
        if self.name not in ACCELERATORS:
            raise InputError.of(
                f"accelerator {self.name!r}",
                "allowed tcg or kvm",
                did_you_mean(str(self.name), ACCELERATORS),
            )
        for flag in ("manual_protect", "initially_set", "ring_with_bitmap"):
            if not isinstance(getattr(self, flag), bool):
                raise InputError.of(
                    f"accelerator: {flag} {getattr(self, flag)!r}", "allowed on or off", "give one"
                )
        ring = self._whole("dirty_ring_size", f"0, or a power of two in {_RINGS}")
        if ring and (ring & (ring - 1) or not _SHORTEST_RING <= ring <= _LONGEST_RING):
            raise self._refused("dirty_ring_size", f"0, or a power of two in {_RINGS}")
        if ring and self.name != "kvm":
            raise InputError.of(
                f"accelerator tcg with dirty-ring-size {ring}",
                "only KVM has a dirty ring",
                f"write kvm,dirty-ring-size={ring}",
            )
        shifts = f"{_SMALLEST_CHUNK_SHIFT}..{_LARGEST_CHUNK_SHIFT}"
        shift = self._whole("clear_bitmap_shift", shifts)
        if not _SMALLEST_CHUNK_SHIFT <= shift <= _LARGEST_CHUNK_SHIFT:
            raise self._refused("clear_bitmap_shift", shifts)

    def _whole(self, name: str, allowed: str) -> int:
        value = getattr(self, name)
        try:
            plain = operator.index(value)
        except TypeError:
            plain = -1
        if isinstance(value, bool) or plain < 0:
            raise self._refused(name, allowed)
        object.__setattr__(self, name, plain)
        return plain

    def _refused(self, name: str, allowed: str) -> InputError:
        written = _WRITTEN[name]
        return InputError.of(
            f"accelerator: {written} {getattr(self, name)!r}", f"allowed {allowed}", "give such"
        )

    def check(self, capabilities: Container[str]) -> None:
        """Refuse capabilities that need another accelerator.

        Parameters
        ----------
        capabilities : container of str
            QEMU's names of those that are on.

        Raises
        ------
        ScenarioError
            If dirty-limit is on and there is no dirty ring (migrate_caps_check).
        """
        if "dirty-limit" in capabilities and self.log_mode != "dirty-ring":
            raise ScenarioError.of(
                "capability dirty-limit",
                f"it needs a dirty ring, accelerator {self.text} has none",
                "use accelerator kvm,dirty-ring-size=4096",
            )

    @property
    def log_mode(self) -> str:
        """Which of `LOG_MODES` it is."""
        if self.name == "tcg":
            return "tcg"
        if self.dirty_ring_size:
            return "dirty-ring"
        return "manual-protect" if self.manual_protect else "get-and-clear"

    @property
    def text(self) -> str:
        """The accelerator as `parse_accelerator` reads it; what has its default is left out."""
        plain = Accelerator(self.name)
        changed = {
            written: getattr(self, name)
            for name, written in _WRITTEN.items()
            if getattr(self, name) != getattr(plain, name)
        }
        shown = {name: _ON_OFF.get(value, value) for name, value in changed.items()}
        return ",".join([self.name, *(f"{name}={value}" for name, value in shown.items())])


_RINGS = f"{_SHORTEST_RING}..{_LONGEST_RING}"
_WRITTEN = {
    "dirty_ring_size": "dirty-ring-size",
    "manual_protect": "manual-protect",
    "initially_set": "initially-set",
    "ring_with_bitmap": "ring-with-bitmap",
    "clear_bitmap_shift": "x-clear-bitmap-shift",
}
_ON_OFF: dict[Any, str] = {True: "on", False: "off"}


def parse_accelerator(text: str) -> Accelerator:
    """Read an accelerator as people write it for QEMU's ``-accel``.

    Parameters
    ----------
    text : str
        ``tcg`` or ``kvm``, then after commas ``dirty-ring-size=ENTRIES``, and what QEMU finds
        out by itself: ``manual-protect=on|off``, ``initially-set=on|off``,
        ``ring-with-bitmap=on|off``; and ``x-clear-bitmap-shift=N``.

    Returns
    -------
    Accelerator
        The accelerator.

    Raises
    ------
    InputError
        If a name is unknown (the nearest known one is suggested) or a value not allowed.

    Examples
    --------
    >>> parse_accelerator("kvm,dirty-ring-size=4096").dirty_ring_size
    4096
    >>> parse_accelerator("kvm,manual-protect=off").log_mode
    'get-and-clear'
    """
    if not isinstance(text, str):
        raise InputError.of(f"accelerator {text!r}", "not text", "write tcg or kvm")
    name, *settings = [part.strip() for part in text.split(",")]
    fields = {written: field for field, written in _WRITTEN.items()}
    values: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in fields:
            raise InputError.of(
                f"accelerator {text}: {key}", "not known", did_you_mean(key, fields)
            )
        values[fields[key]] = _value(value)
    return Accelerator(name, **values)


def _value(text: str) -> Any:
    """Read a number, on or off; anything else is left to the check."""
    if text in ("on", "off"):
        return text == "on"
    return int(text) if text.isdigit() else text
