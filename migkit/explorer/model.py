"""The explorer's logic: settings, the run they give, and what to say about it.

No widgets and no pictures: a view listens with `ExplorerModel.observe` and reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from migkit.explorer.numbers import Limits, Number, numbers_of
from migkit.explorer.settings import Settings
from migkit.explorer.verdict import enough_limit_ms, verdict_of
from migkit.simulate import simulate

if TYPE_CHECKING:
    from migkit.results import Migration

_KEPT_RUNS: Final = 32


class ExplorerModel:
    """The state of an explorer: what is set, what is pinned, and what comes out.

    Values change only through `change`, which refuses what is not valid and then keeps the old
    values. Runs are simulated when they are asked for and kept by their settings.

    Parameters
    ----------
    settings : Settings, optional
        What it starts with.
    limits : Limits, optional
        Limits on the four numbers.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        limits: Limits | None = None,
        engine: str = "compiled",
    ) -> None:
        self._settings = settings or Settings()
        self._pinned: Settings | None = None
        self._limits = limits or Limits()
        self._engine = engine
        self._runs: dict[Settings, Migration] = {}
        self._listeners: list[Callable[[ExplorerModel], None]] = []

    @property
    def settings(self) -> Settings:
        """What is set now."""
        return self._settings

    @property
    def pinned(self) -> Settings | None:
        """What is pinned for comparison (A), or None."""
        return self._pinned

    @property
    def result(self) -> Migration:
        """The run of what is set now."""
        return self.run(self._settings)

    @property
    def pinned_result(self) -> Migration | None:
        """The run of what is pinned, or None."""
        return None if self._pinned is None else self.run(self._pinned)

    def observe(self, listener: Callable[[ExplorerModel], None]) -> None:
        """Call a function after each change.

        Parameters
        ----------
        listener : callable
            Called with the model.
        """
        self._listeners.append(listener)

    def change(self, **values: Any) -> None:
        """Set some values; all of them or none.

        Parameters
        ----------
        **values : Any
            Fields of `Settings`.

        Raises
        ------
        MigkitError
            A name is not known, a value is not valid or a capability not modelled. Everything
            keeps its old value.
        """
        settings = self._settings.changed(**values)
        if settings != self._settings:
            self._settings = settings
            self._tell()

    def pin(self) -> None:
        """Keep what is set now as A, to compare what is set next with it."""
        self._pinned = self._settings
        self._tell()

    def unpin(self) -> None:
        """Forget A."""
        self._pinned = None
        self._tell()

    def verdict(self) -> str:
        """Say in one sentence whether it converges, how long it takes, and why not.

        Returns
        -------
        str
            One sentence with its numbers. For a run that did not converge it names the downtime
            limit that would do, found by simulating it.
        """
        converged = self.result.outcome == "completed"
        enough = None if converged else self.enough_limit_ms()
        return verdict_of(self.result, self._settings, enough)

    def enough_limit_ms(self) -> int | None:
        """Return a downtime limit under which what is set now completes.

        Returns
        -------
        int or None
            Milliseconds: the limit that is set where it completes already; None where none that
            was tried does.
        """
        if self.result.outcome == "completed":
            return self._settings.downtime_limit_ms
        return enough_limit_ms(self.result, self._settings, self._completes)

    def numbers(self) -> tuple[Number, ...]:
        """Return total time, downtime, bytes and syncs, and which limits they break.

        Returns
        -------
        tuple of Number
            Four numbers in that order.
        """
        return numbers_of(self.result, self._limits)

    def run(self, settings: Settings) -> Migration:
        """Return the run of some settings, simulated on first use.

        Parameters
        ----------
        settings : Settings
            What goes in.

        Returns
        -------
        Migration
            What comes out; the latest 32 are kept.
        """
        if settings not in self._runs:
            self._runs[settings] = simulate(settings.scenario(), engine=self._engine)
            if len(self._runs) > _KEPT_RUNS:
                del self._runs[next(iter(self._runs))]
        return self._runs[settings]

    def _completes(self, downtime_limit_ms: int) -> bool:
        """Tell whether the migration completes under another downtime limit."""
        other = replace(self._settings, downtime_limit_ms=downtime_limit_ms)
        return self.run(other).outcome == "completed"

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self)
