"""Send a saved guest to a destination that is there: the way in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migkit.channels import TlsFiles
from migkit.live.guest import ArenaGuest
from migkit.parameters import MigrationParameters
from migkit.workloads import Workload

from .counted import Counted
from .sender import Sender
from .sent import Sent

__all__ = ["send"]


def send(
    source: str | os.PathLike[str] | ArenaGuest,
    uri: str | Mapping[str, Any] | list[Any],
    *,
    rule: str = "after",
    qemu_version: str | None = None,
    parameters: MigrationParameters | Mapping[str, object] | None = None,
    capabilities: Iterable[str] | None = None,
    workload: Workload | str | None = None,
    write_memory: bool = False,
    postcopy_at_s: float | None = None,
    recover: str | None = None,
    tls: TlsFiles | None = None,
    timeout_s: float = 30.0,
    progress: Callable[[Counted], object] | None = None,
) -> Sent:
    """Migrate a saved guest to a QEMU that waits with ``-incoming``, or to migkit.

    The loop is QEMU's: setup, passes in windows of 100 ms under the rate limit, syncs, the
    threshold and the completion rule, all decided by the functions of the engine. The guest's
    contents stay as they were saved, so it runs on at the destination where it stood.

    Parameters
    ----------
    source : path or ArenaGuest
        The file that ``migrate file:`` of a precopy migration wrote (mapped-ram too), or the
        folder of ``migkit receive --save``. A guest of `migkit.live.guest` is sent while it runs;
        it runs on at the destination, or here where the migration failed before postcopy.
    uri : str, mapping or list
        QEMU's address of the destination: ``tcp:127.0.0.1:4444``, ``unix:/path``, or its JSON
        form.
    rule : {"before", "after"}
        QEMU's completion rule: up to 10.0, or from 10.1 on.
    qemu_version : str, optional
        Whose dirty-bitmap syncs there are, and which of them count: ``"11.1.3"`` syncs in every
        pass of precopy with postcopy-ram, and does not count the last sync. Left out, it is that
        of the rule: 10.0.13 or 10.2.2.
    parameters : MigrationParameters or mapping, optional
        By QEMU's names: ``{"max-bandwidth": 67108864, "downtime-limit": 50}``.
    capabilities : iterable of str, optional
        Of `migkit.live.sending.settings.SENDABLE`. Left out, the return path is open where the
        transport has one.
    workload : Workload or str, optional
        What dirties the first RAM block while it is sent, in real time: ``uniform:2000``. The
        same seed chooses the same pages.
    write_memory : bool
        Whether a thread really writes to these pages. The result then has the `memory` as it was
        at the end, to compare with the destination's; a guest of QEMU would be damaged.
    postcopy_at_s : float, optional
        When ``migrate-start-postcopy`` is given, seconds after setup began; turns postcopy-ram
        on.
    recover : str, optional
        Where the destination waits after a cut in postcopy (its ``migrate-recover``).
    tls : TlsFiles, optional
        Credentials for every channel.
    timeout_s : float
        For how long a silent destination is waited for, seconds: for its PONG, SWITCHOVER_ACK,
        RESUME_ACK, bitmaps, and for SHUT when all was sent. A destination that reads no more is
        not noticed by that: see `Sender.yank`.
    progress : callable, optional
        Gets the counters after each pass.

    Returns
    -------
    Sent
        Frames and summary of the migration as the source saw it, and the requests it served. A
        migration that failed is told by its `outcome` and `error`.

    Raises
    ------
    InputError
        If a value is not valid.
    StreamError
        If the source is no saved guest.
    ChannelError
        If nobody waits at the address.
    """
    return Sender(
        source,
        uri,
        rule=rule,
        qemu_version=qemu_version,
        parameters=parameters,
        capabilities=capabilities,
        workload=workload,
        write_memory=write_memory,
        postcopy_at_s=postcopy_at_s,
        recover=recover,
        tls=tls,
        timeout_s=timeout_s,
        progress=progress,
    ).run()
