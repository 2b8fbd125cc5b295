"""The guest of a scenario as people write it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from migkit.errors import ScenarioError
from migkit.guest import Guest
from migkit.guest.content import Content
from migkit.units import parse_duration

if TYPE_CHECKING:
    from migkit.scenario.text import WrittenScenario
    from migkit.workloads import Workload

__all__ = ["guest_as_written"]


def guest_as_written(written: WrittenScenario, memory_bytes: int, spec: Workload) -> Guest:
    """Make the guest of a written scenario: one of QEMU's machine ``pc``.

    Parameters
    ----------
    written : WrittenScenario
        Its ``nonzero_percent``, ``content``, ``vcpus``, ``cpu_per_write`` and ``seed`` count.
    memory_bytes : int
        Size of its memory, bytes.
    spec : Workload
        Its working set holds data.

    Returns
    -------
    Guest
        The guest.

    Raises
    ------
    InputError
        If a value is not valid, or both a content and a share of the memory are given.
    """
    percent = _checked_percent(written.nonzero_percent)
    cpu_ns = None
    if written.cpu_per_write is not None:
        cpu_ns = parse_duration(written.cpu_per_write, "cpu_per_write")
    plain = Guest.pc(memory_bytes)
    guest = dataclasses.replace(plain, vcpus=written.vcpus, cpu_ns_per_write=cpu_ns)
    pages = guest.ram_blocks[0].pages
    if written.content is None:
        return _filled(guest, percent, spec)
    if percent is not None:
        raise ScenarioError.of(
            f"nonzero_percent {percent}", "content tells it already", "leave one of them out"
        )
    content = _content(written.content, written.seed)
    return dataclasses.replace(guest.with_nonzero(0, pages), content=content)


def _checked_percent(percent: float | None) -> float | None:
    number = isinstance(percent, int | float) and not isinstance(percent, bool)
    if percent is not None and not (number and 0 <= percent <= 100):
        raise ScenarioError.of(
            f"nonzero_percent {percent!r}", "allowed 0..100", "give a share in percent"
        )
    return percent


def _filled(guest: Guest, percent: float | None, spec: Workload) -> Guest:
    """Put random data into a share of the memory and into the working set."""
    pages = guest.ram_blocks[0].pages
    share = guest.with_nonzero(0, int(pages * (percent or 0) / 100))
    if percent is not None and spec.kind == "idle" and spec.pages is None:
        return share  # it has written nothing
    touched = spec.within(pages).touched
    if percent is not None and percent < 100 and touched == (0, pages):
        raise ScenarioError.of(
            f"nonzero_percent {percent}",
            f"the {spec.kind} workload's working set is all of the memory, and holds data",
            "give it pages=, or leave nonzero_percent out",
        )
    return share.with_nonzero(*touched)


def _content(content: str | Content, seed: int) -> Content:
    if isinstance(content, Content):
        return content
    parsed = Content.parse(content)
    return parsed if "seed=" in content else parsed.seeded(seed)
