"""Two recordings before and after they were put on one clock, and what that rests on."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wristkit.recording import Recording, Stream
from wristkit.signals import ClockFit, motion_energy
from wristkit.signals.alignment import stated_offset_s
from wristkit.view.draw.picture import Picture
from wristkit.view.draw.style import (
    COLOURS,
    INK,
    RULE,
    TEXT_PT,
    clear_axes,
    legend_above,
    name_axes,
    second_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN_S = 12.0
_SIGNALS = ("gyro", "user_accel", "accel")
_SIZE_IN = (10.0, 6.4)


def draw_alignment(reference: Recording, other: Recording, fit: ClockFit) -> Picture:
    """Return a figure of the motion of both before and after, and of the local offsets with the line through them.

    Before is as both were stamped: by the time of day where both know it, else from each one's own second 0. The 12 s
    shown are those around a moment of the evidence in which the reference moves most.
    """
    name = next((one for one in _SIGNALS if one in reference.streams and one in other.streams), None)
    if name is None:
        raise ValueError(
            f"no stream tells motion of both: {sorted(reference.streams)} and {sorted(other.streams)}; "
            "load gyro or accel of both"
        )
    energy, before = motion_energy(reference[name]), motion_energy(other[name])
    stated_s = stated_offset_s(reference, other)
    start_s = _busiest(energy, fit) - _SHOWN_S / 2
    figure = Picture(figsize=_SIZE_IN, dpi=100, facecolor="white", layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, height_ratios=[1, 1, 1.1])
    _draw_motions(top, energy, before, before.time + stated_s, start_s=start_s)
    _draw_motions(middle, energy, before, fit.to_reference(before.time), start_s=start_s)
    _head(top, f"before: as stamped, {name}")
    _head(middle, f"after: {_fit_text(fit)}")
    name_axes(middle, x="time of the reference (s)")
    legend_above(top, list(top.lines), ["reference", "other"])
    _draw_offsets(bottom, fit)
    return figure


def _busiest(energy: Stream, fit: ClockFit) -> float:
    """Return the moment of the evidence around which motion changes most."""
    moments = fit.evidence.loc[fit.evidence["used"], "reference_s"].to_numpy()
    parts = [energy.between(moment - _SHOWN_S / 2, moment + _SHOWN_S / 2).values for moment in moments]
    return float(moments[np.argmax([np.nan_to_num(np.nanstd(part)) if len(part) else 0.0 for part in parts])])


def _draw_motions(
    ax: "Axes", energy: Stream, other: Stream, other_s: npt.NDArray[np.float64], *, start_s: float
) -> None:
    from matplotlib.ticker import FuncFormatter

    clear_axes(ax)
    shown = energy.between(start_s, start_s + _SHOWN_S)
    inside = (other_s >= start_s) & (other_s < start_s + _SHOWN_S)
    ax.plot(shown.time, shown.values[:, 0], color=COLOURS[0], linewidth=1.4)
    ax.plot(other_s[inside], other.values[inside, 0], color=COLOURS[1], linewidth=1.2)
    ax.set_xlim(start_s, start_s + _SHOWN_S)
    ax.xaxis.set_major_formatter(FuncFormatter(second_text))
    name_axes(ax, y="motion")


def _draw_offsets(ax: "Axes", fit: ClockFit) -> None:
    """Draw what each place of the evidence says beyond the offset of the fit, in milliseconds."""
    from matplotlib.ticker import FuncFormatter

    clear_axes(ax)
    table = fit.evidence
    beyond_ms = (table["reference_s"] - table["other_s"] - fit.offset_s).to_numpy() * 1e3
    at_s, used = table["other_s"].to_numpy(), table["used"].to_numpy(dtype=bool)
    dots = [
        *ax.plot(at_s[used], beyond_ms[used], "o", markersize=4, color=COLOURS[0]),
        *ax.plot(at_s[~used], beyond_ms[~used], "x", markersize=5, color=RULE),
    ]
    ends_s = np.array([at_s.min(), at_s.max()])
    dots += ax.plot(ends_s, (fit.line.at(ends_s) - fit.offset_s) * 1e3, color=COLOURS[1], linewidth=1.4)
    kept = beyond_ms[used]
    room_ms = max(5.0, 0.5 * float(np.ptp(kept)))
    ax.set_ylim(float(kept.min()) - room_ms, float(kept.max()) + room_ms)
    ax.xaxis.set_major_formatter(FuncFormatter(second_text))
    _head(ax, f"local offsets beyond {fit.offset_s:+.4f} s, by {fit.method}")
    legend_above(ax, dots, ["agree", "do not", "the fit"])
    name_axes(ax, x="time of the other (s)", y="offset (ms)")


def _fit_text(fit: ClockFit) -> str:
    drift = "drift unknown" if np.isnan(fit.drift_ppm) else f"drift {fit.drift_ppm:+.2f} ppm"
    return (
        f"{fit.offset_s:+.4f} s, {drift}, residual {fit.residual_s * 1e3:.1f} ms, "
        f"{fit.quality:.0%} of {len(fit.evidence)} places agree"
    )


def _head(ax: "Axes", text: str) -> None:
    ax.text(0.0, 1.03, text, transform=ax.transAxes, color=INK, fontsize=TEXT_PT, va="bottom", parse_math=False)
