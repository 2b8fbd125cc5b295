"""How the frames of a migration are asked for: made once, handed out as the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .event_columns import event_frame
from .sources import Source
from .summaries import RUN_STATE_COUNTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from migkit.scenario import Scenario


class Frames:
    """The frames of one migration.

    Each is made when first asked for. Each access gives a frame of the caller's own: pandas
    copies what is written to, so nothing done to it reaches the stored one.
    """

    source: Source
    _made: dict[str, pd.DataFrame]

    def _frame(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            self._made[name] = self.source.frame(name)
        return self._made[name].copy(deep=False)

    @property
    def iterations(self) -> pd.DataFrame:
        """One row a pass of the migration thread: `migkit.schema.ITERATIONS`."""
        return self._frame("iterations")

    @property
    def rounds(self) -> pd.DataFrame:
        """One row a dirty-bitmap sync: `migkit.schema.ROUNDS`."""
        return self._frame("rounds")

    @property
    def windows(self) -> pd.DataFrame:
        """One row a closed window of bandwidth: `migkit.schema.WINDOWS`."""
        return self._frame("windows")

    @property
    def faults(self) -> pd.DataFrame:
        """One row a page the destination asked for: `migkit.schema.FAULTS`."""
        return self._frame("faults")

    @property
    def events(self) -> pd.DataFrame:
        """One row a trace event: `migkit.schema.EVENT_FRAME`."""
        return self._frame("events")

    @property
    def commands(self) -> pd.DataFrame:
        """One row a command that was given, and its answer: `migkit.schema.COMMAND_FRAME`."""
        return self._frame("commands")

    @property
    def sections(self) -> pd.DataFrame:
        """One row a section of a handler: `migkit.schema.SECTIONS`."""
        return self._frame("sections")

    @property
    def downtime(self) -> pd.DataFrame:
        """One row a checkpoint of the downtime, of both sides: `migkit.schema.DOWNTIME`."""
        return self._frame("downtime")

    @property
    def blackout_ms(self) -> float | None:
        """Milliseconds in which no guest ran; None where a side's checkpoints are not known.

        QEMU's ``downtime`` ends at the source, this at the destination's running guest.
        """
        from .downtime import blackout_ms

        return blackout_ms(self.downtime)

    @property
    def counters(self) -> Mapping[str, Any]:
        """Numbers of the last query-migrate and what else is known of the end."""
        return {}

    @property
    def run_states(self) -> dict[str, str]:
        """Run state of each side's virtual machine at the end (QEMU's names, ``exited``).

        Sides: ``source``, ``dest``; a side of which nothing tells is left out.
        """
        told = zip(("source", "dest"), RUN_STATE_COUNTERS, strict=True)
        return {side: self.counters[name] for side, name in told if name in self.counters}

    @property
    def split_brain(self) -> bool | None:
        """Whether the guest runs on both sides at the end; None where that is not known."""
        states = self.run_states
        return set(states.values()) == {"running"} if len(states) == 2 else None

    @property
    def guest_lost(self) -> bool | None:
        """Whether no side has the guest any more; None where that is not known."""
        states = self.run_states
        if len(states) < 2:
            return None
        stopped = states["source"] in ("postmigrate", "finish-migrate")
        return stopped and states["dest"] == "exited"

    @property
    def scenario(self) -> Scenario | None:
        """What went in; None when it is not known."""
        return None

    @property
    def margins(self) -> pd.DataFrame:
        """Every comparison that decided, and how far it was from another answer.

        Columns of `migkit.schema.MARGINS`: migration/migration.c (migration_iteration_run).
        """
        from .margins import margins_frame

        return margins_frame(self)

    @property
    def margin_ms(self) -> float | None:
        """Smallest of the `margins` in milliseconds of dirtying; None where there is none."""
        smallest = self.margins["margin_ms"].min()
        return float(smallest) if smallest == smallest else None

    def events_of(self, event: str) -> pd.DataFrame:
        """Return one kind of event with a column for each argument.

        Parameters
        ----------
        event : str
            Name of the trace event.

        Returns
        -------
        DataFrame
            ``t_ns``, ``side`` and the arguments: ``Int64`` for numbers, ``str`` for others.
            Without rows when the event did not occur.
        """
        return event_frame(self.source.logs, event)

    def device_downtime(self) -> pd.DataFrame:
        """Return what each device took in the downtime, on both sides.

        Returns
        -------
        DataFrame
            ``type`` (iterable or non-iterable), ``idstr``, ``instance_id``, ``save_us`` and
            ``load_us``: traces vmstate_downtime_save and vmstate_downtime_load, in the source's
            order. A side that has no such line is unknown there.
        """
        from .device_frame import device_frame

        return device_frame(self)

    def ram_save_complete(self) -> pd.DataFrame:
        """Return the final passes over RAM: migration/ram.c (ram_save_complete).

        Returns
        -------
        DataFrame
            ``t_ns``, ``dirty`` (pages left) and ``done`` (0 when it starts, 1 when it ends).
            Without rows for QEMU 10.0, which has no such trace point.
        """
        return self.events_of("ram_save_complete")[["t_ns", "dirty", "done"]]
