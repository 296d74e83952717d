"""What an event adds to the motion of a watch, wherever the arm is and whatever it does meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from wristkit.condition.frame import WRIST_SIGNS
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Side
from wristkit.simulate.activities import minimum_jerk
from wristkit.simulate.body import WatchPath, body_rate

_RETURN_S = 0.5  # how long the watch takes to get back to where the event found it: estimate
_FADE_S = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class Overlay:
    """What an event adds to the motion of a watch, on a uniform clock from its second 0.

    Axes are those of the wrist: x to the hand, z out of the watch, on a left wrist with the crown towards the hand.

    Parameters
    ----------
    label
        Name of the event.
    rate_hz
        Samples a second of the arrays.
    push
        (n, 3) acceleration in g; a sensor reads minus this.
    turn
        (n, 3) rotation vector in radians, from how the watch lay before; 0 at both ends.
    press
        (n,) how the event presses on the blood below the watch; 1 is a pinch, below 0 more blood than before.
    start_s, stop_s
        The truth on this clock.
    gravity
        (3,) direction of gravity when the event began, where its push and turn belong to the world; None where they
        belong to the forearm, as those of a pinch do.
    """

    label: str
    rate_hz: float
    push: FloatArray
    turn: FloatArray
    press: FloatArray
    start_s: float
    stop_s: float
    gravity: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(self.press)
        if self.push.shape != (count, 3) or self.turn.shape != (count, 3) or count < 4:
            raise ValueError(
                f"overlay {self.label!r} has push {self.push.shape}, turn {self.turn.shape} and press "
                f"{self.press.shape}, expected (n, 3), (n, 3) and (n,) with n >= 4"
            )
        if not 0 <= self.start_s <= self.stop_s <= self.duration_s:
            raise ValueError(
                f"overlay {self.label!r} lasts {self.duration_s:.3f} s and its truth is {self.start_s} to "
                f"{self.stop_s} s, expected 0 <= start_s <= stop_s within it"
            )

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the last."""
        return (len(self.press) - 1) / self.rate_hz


def cut_event(recording: Recording, start_s: float, stop_s: float, *, label: str) -> Overlay:
    """Return a stretch of a simulated recording as an event, with the way back to where the watch was before.

    Raises
    ------
    ValueError
        Where the recording is not simulated, does not say how it was worn, or does not hold the stretch.
    """
    if not recording.is_simulated or recording.wrist is None or recording.crown is None:
        raise ValueError(f"recording {recording.id} is not simulated or lacks sides; cut from what session() returned")
    signs = np.array(WRIST_SIGNS[recording.wrist, recording.crown])
    part = {name: recording[name].between(start_s, stop_s) for name in ("attitude", "user_accel", "gravity")}
    rate_hz = recording["attitude"].rate_hz
    if len(part["attitude"]) < 4 or len({len(stream) for stream in part.values()}) > 1 or len(part["attitude"].gaps):
        raise ValueError(f"{start_s} to {stop_s} s is not one recorded stretch of {recording.id}; choose one inside it")
    axes = Rotation.from_quat(np.roll(np.asarray(part["attitude"].values, dtype=np.float64), -1, axis=1))
    turn = (axes[0].inv() * axes).as_rotvec() * signs * np.prod(signs)
    push = -np.asarray(part["user_accel"].values, dtype=np.float64) * signs
    back = turn[-1] * (1 - minimum_jerk(np.arange(1, round(_RETURN_S * rate_hz)) / (_RETURN_S * rate_hz)))[:, None]
    fade = np.minimum(1.0, np.arange(len(push)) / (_FADE_S * rate_hz))
    push *= (fade * fade[::-1])[:, None]
    count = len(push) + len(back)
    return Overlay(
        label=label,
        rate_hz=rate_hz,
        push=np.vstack([push, np.zeros_like(back)]),
        turn=np.vstack([turn, back]),
        press=np.zeros(count),
        start_s=0.0,
        stop_s=(len(push) - 1) / rate_hz,
        gravity=np.asarray(part["gravity"].values[0], dtype=np.float64) * signs,
    )


def in_device_axes(overlay: Overlay, wrist: Side, crown: Side) -> tuple[FloatArray, FloatArray]:
    """Return push (n, 3) and turn (n, 3) in the axes of a device worn so."""
    signs = np.array(WRIST_SIGNS[wrist, crown])
    return overlay.push * signs, overlay.turn * signs * np.prod(signs)


def laid_over(
    path: WatchPath, overlays: Sequence[tuple[Overlay, int]], *, wrist: Side, crown: Side, rate_hz: float
) -> tuple[WatchPath, FloatArray]:
    """Return a path with overlays of its own rate, each from its sample on, and how they press (n,)."""
    turned, acceleration, rate = path.axes.as_quat(), path.acceleration.copy(), path.rate.copy()
    press = np.zeros(len(rate))
    for overlay, first in overlays:
        push, turn = in_device_axes(overlay, wrist, crown)
        here = slice(first, first + len(push))
        axes = path.axes[here] * Rotation.from_rotvec(turn)
        turned[here] = axes.as_quat()
        acceleration[here] += axes.apply(push) * STANDARD_GRAVITY
        rate[here] = body_rate(axes, rate_hz)
        press[here] += overlay.press
    return WatchPath(Rotation.from_quat(turned), acceleration, rate), press
