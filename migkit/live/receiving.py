"""`receive`: a destination for a real QEMU source."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from migkit.channels import Address, FileAddress, Listener, TlsFiles, listen, parse_address
from migkit.errors import InputError, MigkitError
from migkit.stream.source import open_buffer
from migkit.workloads import Workload

from .destination import Destination
from .faults import FaultPattern, pattern_of
from .guest.userfaultfd import check_userfaultfd
from .live_frames import LiveFrames, Progress, progress_frame, request_columns
from .obeying import receive_all, receive_file
from .reception import Reception, reception_of
from .settings import ReceiveSettings

__all__ = ["Progress", "Receiver", "receive"]

_TICK_S = 0.5


class Receiver:
    """A destination that listens; `run` receives one migration.

    Parameters
    ----------
    where : str, mapping, Address or Listener
        Where the source comes to.
    tls : TlsFiles, optional
        The server's credentials.
    faults : str, Workload or FaultPattern, optional
        See `receive`.
    progress : callable, optional
        See `receive`.
    **settings
        Of `migkit.live.settings.ReceiveSettings`.

    Attributes
    ----------
    address : Address
        With the port that the system chose.
    """

    def __init__(
        self,
        where: str | Mapping[str, Any] | Address | Listener,
        *,
        tls: TlsFiles | None = None,
        faults: str | Workload | FaultPattern | None = None,
        progress: Callable[[Progress], None] | None = None,
        **settings: Any,
    ) -> None:
        pattern = pattern_of(faults)
        self._settings = ReceiveSettings(faults=pattern, **settings)
        if self._settings.run and pattern is not None:
            raise InputError.of(
                "faults beside a guest that runs", "it asks for pages itself", "leave one out"
            )
        self._progress = progress
        self._listener: Listener | None = None
        if isinstance(where, Listener):
            self.address, self._listener = where.address, where
            self._check_run()
        else:
            parsed = where if isinstance(where, Address) else parse_address(where)
            self.address = parsed
            if not _is_file(parsed):
                self._check_run()
                self._listener = listen(parsed, tls)
                self.address = self._listener.address
        self._destination = Destination(self._listener, self._settings)
        self._samples: list[tuple[float, Progress]] = []
        self._began_s = time.monotonic()

    def _check_run(self) -> None:
        """Make sure that a guest can wait for pages here; one from a file never does."""
        if self._settings.run:
            check_userfaultfd()

    def yank(self) -> None:
        """Break the connections, as QEMU's ``yank``; from any thread and in any state.

        While a source is waited for, that ends; precopy fails; postcopy is paused, and where it
        is paused already it ends so. The source sees its connections broken: of precopy its guest
        runs on there.
        """
        self._destination.yank()

    def stop(self) -> None:
        """End in order, from any thread or a signal's handler: a yank after which nothing waits.

        `run` returns what came, or raises where no source had come.
        """
        self._destination.yank(end=True)

    @property
    def progress(self) -> Progress:
        """Where it is at this moment."""
        to = self._destination
        arena, requests = to.arena, to.requests
        missing = arena.missing if arena else 0
        pages = len(arena.received) - missing if arena else 0
        rounds = len(to.reading.stream.tally.rounds["offset"])
        return Progress(
            to.state, to.bytes, pages, missing, rounds, requests.sent if requests else 0
        )

    @property
    def frames(self) -> LiveFrames:
        """What has come by now, as frames; from any thread, while it runs and afterwards."""
        import pandas as pd

        to = self._destination
        samples = [*self._samples, (time.monotonic() - self._began_s, self.progress)]
        requests = pd.DataFrame(request_columns(to.requests))
        return LiveFrames(progress_frame(samples), to.reading.rounds, requests)

    def run(self) -> Reception:
        """Receive a migration.

        Returns
        -------
        Reception
            Also of one that failed; its ``error`` says why.

        Raises
        ------
        ChannelError
            If no source came.
        """
        self._began_s = time.monotonic()
        done = threading.Event()
        ticking = threading.Thread(target=self._tick, args=(done,), daemon=True)
        ticking.start()
        to, error = self._destination, ""
        try:
            if self._listener is None:
                assert isinstance(self.address, FileAddress)
                _, data = open_buffer(self.address.filename)
                receive_file(to, data, self.address.offset)
            else:
                receive_all(to)
        except MigkitError as found:
            if to.state == "setup":
                raise
            to.fail()
            error = str(found)
        finally:
            to.close()
            done.set()
            ticking.join()
        return reception_of(to, error)

    def _tick(self, done: threading.Event) -> None:
        while not done.wait(_TICK_S):
            where = self.progress
            self._samples.append((time.monotonic() - self._began_s, where))
            if self._progress is not None:
                self._progress(where)


def receive(
    where: str | Mapping[str, Any] | Address | Listener,
    *,
    tls: TlsFiles | None = None,
    faults: str | Workload | FaultPattern | None = None,
    progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> Reception:
    """Be the destination of a real QEMU's migration.

    Precopy, xbzrle, multifd (none, zlib, zstd), postcopy with or without preempt and with
    recovery, mapped-ram files. Nothing runs here: RAM and device state are kept as they came.

    Parameters
    ----------
    where : str, mapping, Address or Listener
        QEMU's URI or JSON form of an address; files are read.
    tls : TlsFiles, optional
        The server's credentials.
    faults : str, Workload or FaultPattern, optional
        What a guest would ask for in postcopy: ``uniform:500``, ``sequential:500``, ``list:FILE``,
        ``workload:hotcold:2000,hot=500``, a workload, or a function of `migkit.live.faults`.
        Nothing is asked for if left out.
    progress : callable, optional
        Gets a `Progress` twice a second.
    **settings
        ``seed``, ``switchover_ack``, ``multifd_channels``, ``most_ram_bytes``, ``wait_s``,
        ``silence_s``, ``recover_s``, ``run``, ``warn`` of
        `migkit.live.settings.ReceiveSettings`. With ``run`` a guest of `migkit.live.guest` runs on
        here, and is the caller's to stop.

    Returns
    -------
    Reception
        Also of a migration that failed.

    Raises
    ------
    ChannelError
        If the address cannot be listened on, or no source came.
    InputError
        If the fault pattern is none.
    UserfaultfdError
        If a guest is to run here, which needs userfaultfd, and that is not permitted.
    """
    return Receiver(where, tls=tls, faults=faults, progress=progress, **settings).run()


def _is_file(address: Address) -> bool:
    if not isinstance(address, FileAddress):
        return False
    try:
        return stat.S_ISREG(Path(address.filename).stat().st_mode)
    except OSError as error:
        raise InputError.of(
            f"read {address}", error.strerror or str(error), "give a file that is there"
        ) from None
