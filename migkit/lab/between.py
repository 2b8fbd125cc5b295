"""What a tap has to put between two QEMUs that run on one machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from migkit.errors import LabError
from migkit.network import Link

__all__ = ["tap_changes", "tap_link"]


def tap_link(link: Link, plain: Link) -> Link:
    """Return the link of a tap that makes this machine's own link another.

    Parameters
    ----------
    link : Link
        What the scenario asks for.
    plain : Link
        What lies between two processes of this machine, whose latency is there without a tap.

    Returns
    -------
    Link
        For `migkit.tap.Tap`; without limits where both are the same.

    Raises
    ------
    LabError
        If each channel is to have a link of its own.
    """
    if link == plain:
        return Link()
    if link.channel_bandwidths_bytes_per_s:
        raise LabError.of(
            "lab run with a link for each channel",
            "a tap has one link for all of them",
            "leave channels out of the link",
        )
    return dataclasses.replace(
        link,
        latency_ns=max(link.latency_ns - plain.latency_ns, 0),
        return_latency_ns=max(link.back_ns - plain.back_ns, 0),
        send_buffer_bytes=0,
    )


def tap_changes(arguments: Mapping[str, Any], plain: Link) -> dict[str, Any]:
    """Return a ``link-change`` of the timeline as the tap has to make it.

    Parameters
    ----------
    arguments : mapping
        Of the command.
    plain : Link
        As for `tap_link`.

    Returns
    -------
    dict
        Arguments for `migkit.tap.Tap.change_link`.
    """
    changed = dict(arguments)
    for name, own in (("latency_ns", plain.latency_ns), ("return_latency_ns", plain.back_ns)):
        if changed.get(name) is not None:
            changed[name] = max(changed[name] - own, 0)
    return changed
