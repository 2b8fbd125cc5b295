"""The explorer's widgets, linked to its model.

Controls write into the model and are written from it; what the model refuses is said below the
controls, and the control goes back to the value that holds.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

import ipywidgets as widgets

from migkit.errors import MigkitError
from migkit.explorer.model import ExplorerModel
from migkit.explorer.numbers import Number
from migkit.explorer.pictures import picture
from migkit.explorer.settings import CAPABILITIES, MEMORIES, WORKLOADS

_MIB: Final = 1 << 20
_WIDE: Final = {"description_width": "140px"}
# A choice cannot hold None, so "never" stands for it in the control.
_NEVER: Final = "never"
_POSTCOPY: Final = [(_NEVER, _NEVER), *((f"after {s} s", float(s)) for s in (1, 2, 3, 5, 10))]
_GOOD, _BAD = "#222222", "#8C2317"


class Explorer(widgets.VBox):
    """The explorer as one widget.

    Parameters
    ----------
    model : ExplorerModel
        Its logic.

    Attributes
    ----------
    model : ExplorerModel
        The same.
    controls : dict of str to Widget
        Field of `Settings` (and "pin") to the control that sets it.
    """

    def __init__(self, model: ExplorerModel) -> None:
        self.model = model
        self.controls = _controls()
        self.verdict = widgets.HTML(layout={"min_height": "44px"})
        self.picture = widgets.Image(format="png", layout={"width": "98%"})
        self.cards = widgets.HTML()
        self.message = widgets.HTML(layout={"min_height": "22px"})
        self._writing = False
        super().__init__(children=self._arranged())
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._changed(name, change), names="value")
        model.observe(lambda _model: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Write the model's values into the controls and draw its run."""
        self._write_controls()
        self.verdict.value = f"<p style='font-size:15px'><b>{escape(self.model.verdict())}</b></p>"
        self.cards.value = cards_html(self.model.numbers())
        self.picture.value = picture(self.model)

    def _arranged(self) -> list[widgets.Widget]:
        """Return the parts from top to bottom."""
        control = self.controls
        big = widgets.HBox([control["downtime_limit_ms"], control["bandwidth_bytes_per_s"]])
        folded = ("workload", "memory", "rule", "postcopy_at_s", "capabilities")
        more = widgets.Accordion(
            children=[widgets.VBox([control[name] for name in folded])],
            titles=("workload, guest, rule, postcopy, capabilities",),
            selected_index=None,
        )
        drawn = widgets.VBox([self.picture, self.cards])
        return [self.verdict, big, more, widgets.HBox([control["pin"], self.message]), drawn]

    def _changed(self, name: str, change: dict[str, Any]) -> None:
        """Take a control's value into the model, or put the old one back."""
        if self._writing:
            return
        self.message.value = ""
        try:
            if name == "pin":
                (self.model.pin if change["new"] else self.model.unpin)()
            else:
                self.model.change(**{name: _to_model(name, change["new"])})
        except MigkitError as error:
            self.message.value = f"<span style='color:{_BAD}'>{escape(str(error))}</span>"
            self._write_controls()

    def _write_controls(self) -> None:
        """Show the model's values in the controls, without answering to that."""
        self._writing = True
        try:
            for name, control in self.controls.items():
                if name == "pin":
                    control.value = self.model.pinned is not None
                    continue
                value = _to_control(name, getattr(self.model.settings, name))
                _offer(control, value)
                control.value = value
        finally:
            self._writing = False


def cards_html(numbers: tuple[Number, ...]) -> str:
    """Return the four numbers as cards; a broken limit is said in colour and in words.

    Parameters
    ----------
    numbers : tuple of Number
        What `ExplorerModel.numbers` returns.

    Returns
    -------
    str
        HTML.
    """
    return f"<div style='display:flex;gap:12px'>{''.join(map(_card, numbers))}</div>"


def _card(number: Number) -> str:
    """Return one number as a card."""
    colour = _BAD if number.broken else _GOOD
    over = number.broken and number.value is not None
    below = f"{'over' if over else 'limit'} {number.limit:,.0f} {number.unit}"
    return (
        f"<div style='min-width:130px;border-left:4px solid {colour};padding-left:8px'>"
        f"<div style='font-size:12px;line-height:1.3'>{escape(number.name)}</div>"
        f"<div style='font-size:20px;line-height:1.3;color:{colour}'><b>{escape(number.text())}"
        f"</b></div><div style='font-size:12px;line-height:1.3;color:{colour}'>{below}</div></div>"
    )


def _controls() -> dict[str, Any]:
    """Make the controls, by the setting each of them sets."""
    slide: dict[str, Any] = {
        "base": 10,
        "step": 0.02,
        "continuous_update": False,
        "style": _WIDE,
        "layout": {"width": "470px"},
        "readout_format": ",.0f",
    }
    choose: dict[str, Any] = {"style": _WIDE, "layout": {"width": "400px"}}
    return {
        "downtime_limit_ms": widgets.FloatLogSlider(
            min=0, max=4.3, value=300, description="Downtime limit (ms)", **slide
        ),
        "bandwidth_bytes_per_s": widgets.FloatLogSlider(
            min=0, max=4, value=64, description="Bandwidth (MiB/s)", **slide
        ),
        "workload": widgets.Dropdown(
            options=list(WORKLOADS.items()), description="Workload", **choose
        ),
        "memory": widgets.Dropdown(options=MEMORIES, description="Guest memory", **choose),
        "rule": widgets.Dropdown(
            options=["before", "after"], value="after", description="Completion rule", **choose
        ),
        "postcopy_at_s": widgets.Dropdown(
            options=_POSTCOPY, description="Start postcopy", **choose
        ),
        "capabilities": widgets.SelectMultiple(
            options=CAPABILITIES, rows=2, description="Capabilities", **choose
        ),
        "pin": widgets.ToggleButton(
            description="Pin as A", tooltip="Keep this run faint behind the next ones"
        ),
    }


def _to_model(name: str, value: Any) -> Any:
    """Return a control's value in the model's unit."""
    if name == "bandwidth_bytes_per_s":
        return round(value * _MIB)
    if name == "postcopy_at_s" and value == _NEVER:
        return None
    return round(value) if name == "downtime_limit_ms" else value


def _to_control(name: str, value: Any) -> Any:
    """Return a value of the model in the control's unit."""
    if name == "postcopy_at_s" and value is None:
        return _NEVER
    return value / _MIB if name == "bandwidth_bytes_per_s" else value


def _offer(control: Any, value: Any) -> None:
    """Add a value to a choice that does not offer it."""
    if isinstance(control, widgets.Dropdown):
        offered = dict(control.options) if isinstance(control.options[0], tuple) else None
        known = offered.values() if offered is not None else control.options
        if value not in known:
            added = (str(value), value) if offered is not None else value
            control.options = [*control.options, added]
