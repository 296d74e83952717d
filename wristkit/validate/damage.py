"""What happens to a watch on a real arm, as pure functions of a recording: each named, each the same for a seed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from wristkit.condition import AXIAL, POLAR, WRIST_SIGNS
from wristkit.recording import STANDARD_GRAVITY, Recording, Stream

Damage = Callable[[Recording, np.random.Generator], Recording]
_OTHER = {"left": "right", "right": "left"}


def jitter(recording: Recording, rng: np.random.Generator, *, share: float) -> Recording:
    """Return a recording whose stamps are off by a normal error of this share of a period; order is kept.

    Stamps err by at most 0.4 of a period, so that none overtakes another. Uniform streams have none of their own.
    """

    def stamped(stream: Stream) -> Stream:
        steps = np.diff(stream.time)
        room = 0.4 * np.minimum(np.append(steps, steps[-1:]), np.append(steps[:1], steps))
        off = np.clip(share / stream.rate_hz * rng.standard_normal(len(stream)), -room, room)
        return _on_clock(stream, stream.time + off)

    return recording.with_streams(*(stamped(one) for one in _stamped(recording)))


def packet_loss(recording: Recording, rng: np.random.Generator, *, share: float, packet_s: float) -> Recording:
    """Return a recording without this share of its packets, the same moments of every stream with stamps."""
    count = int((recording.stop_s - recording.start_s) / packet_s) + 1
    lost = rng.random(count) < share

    def thinned(stream: Stream) -> Stream:
        kept = ~lost[((stream.time - recording.start_s) / packet_s).astype(np.int64)]
        if kept.sum() < 2:
            return stream
        return Stream.measured(
            stream.name, stream.time[kept], stream.values[kept], channels=stream.channels, unit=stream.unit
        )

    return recording.with_streams(*(thinned(one) for one in _stamped(recording)))


def wrong_wrist(recording: Recording, rng: np.random.Generator) -> Recording:  # noqa: ARG001  every damage has one
    """Return what the other wrist would have given, under the side that was stated; vectors alone are turned.

    Where no side is stated it is taken to be the left, with the crown to the right. In the wrist's own frame the error
    is the same mirror: what was turned by the stated side is turned wrongly.
    """
    wrist, crown = recording.wrist or "left", recording.crown or "right"
    signs = np.array(WRIST_SIGNS[wrist, crown]) * WRIST_SIGNS[_OTHER[wrist], crown]  # type: ignore[index]
    return _turned(recording, np.diag(signs))


def loose_strap(recording: Recording, rng: np.random.Generator, *, degrees: float) -> Recording:
    """Return a recording of a watch that was turned on the arm, about the forearm (x), one way or the other."""
    angle = np.radians(degrees) * rng.choice([-1.0, 1.0])
    return _turned(recording, Rotation.from_rotvec([angle, 0.0, 0.0]).as_matrix())


def wrong_rate(recording: Recording, rng: np.random.Generator, *, factor: float) -> Recording:  # noqa: ARG001
    """Return a recording whose clock runs too slow by a factor; labels are on that clock, and run with it."""
    streams = [
        Stream.uniform(
            one.name,
            one.values,
            rate_hz=one.rate_hz * factor,
            start_s=one.start_s / factor,
            channels=one.channels,
            unit=one.unit,
        )
        if one.is_uniform
        else _on_clock(one, one.time / factor)
        for one in recording.streams.values()
    ]
    labels = recording.labels
    labels[["start_s", "stop_s"]] /= factor
    spans = {tier: span / factor for tier, span in recording.labelled.items()}
    moved = Recording.of(streams, labels=labels, labelled=spans)
    return replace(recording, id=moved.id, streams=moved.streams, labels=moved.labels, labelled=moved.labelled)


def scaled(
    recording: Recording,
    rng: np.random.Generator,  # noqa: ARG001
    *,
    factors: Mapping[str, float],
) -> Recording:
    """Return a recording with these streams times a factor, under the unit that was stated."""
    held = {name: factor for name, factor in factors.items() if name in recording.streams}
    return _with_values(recording, {name: recording[name].values * np.float32(one) for name, one in held.items()})


def clipped(
    recording: Recording,
    rng: np.random.Generator,  # noqa: ARG001
    *,
    limits: Mapping[str, float],
) -> Recording:
    """Return a recording of sensors that end at these limits."""
    held = {name: limit for name, limit in limits.items() if name in recording.streams}
    return _with_values(recording, {name: np.clip(recording[name].values, -one, one) for name, one in held.items()})


def pace(before: Recording, damaged: Recording) -> float:
    """Return how long a second of a damaged recording lasted by the clock it was recorded with.

    It is 1, unless there are as many samples as before and they take another time.
    """
    pairs = [(one, damaged.streams.get(name)) for name, one in before.streams.items()]
    ratios = [
        (one.time[-1] - one.time[0]) / (other.time[-1] - other.time[0])
        for one, other in pairs
        if other is not None and len(one) == len(other) > 1
    ]
    return float(np.median(ratios)) if len(ratios) == len(pairs) else 1.0


def _stamped(recording: Recording) -> list[Stream]:
    return [one for one in recording.streams.values() if not one.is_uniform and len(one) > 1]


def _on_clock(stream: Stream, time_s: npt.NDArray[np.float64]) -> Stream:
    return Stream.measured(stream.name, time_s, stream.values, channels=stream.channels, unit=stream.unit)


def _with_values(recording: Recording, values: Mapping[str, npt.NDArray[np.floating]]) -> Recording:
    held = recording.streams
    return recording.with_streams(
        *(
            held[name].with_values(name, one, channels=held[name].channels, unit=held[name].unit)
            for name, one in values.items()
        )
    )


def _turned(recording: Recording, turn: npt.NDArray[np.float64]) -> Recording:
    """Return a recording with all vectors turned, axial ones as a mirror treats them; attitudes stay."""
    maps = {**dict.fromkeys(POLAR, turn), **dict.fromkeys(AXIAL, turn * np.linalg.det(turn))}
    held = {name: one.values for name, one in recording.streams.items() if name in maps}  # x, y, z, as all of these are
    return _with_values(recording, {name: values @ maps[name].T for name, values in held.items()})


def _named(damage: Callable[..., Recording], **size: object) -> Damage:
    return lambda recording, rng: damage(recording, rng, **size)


_G = ("accel", "user_accel", "gravity")
DAMAGES: Mapping[str, Damage] = MappingProxyType(
    {
        "stamps jitter by 20 % of a period": _named(jitter, share=0.2),
        "5 % of packets of 0.2 s lost": _named(packet_loss, share=0.05, packet_s=0.2),
        "worn on the other wrist": wrong_wrist,
        "strap turned by 20 degrees": _named(loose_strap, degrees=20.0),
        "clock 5 % slow": _named(wrong_rate, factor=1.05),
        "gyro in deg/s as rad/s": _named(scaled, factors={"gyro": float(np.degrees(1.0))}),
        "accel in m/s2 as g": _named(scaled, factors=dict.fromkeys(_G, STANDARD_GRAVITY)),
        "gain 10 % high": _named(scaled, factors=dict.fromkeys((*_G, "gyro", "ppg", "audio"), 1.1)),
        "sensors end at 2 g and 250 deg/s": _named(
            clipped, limits={**dict.fromkeys(_G, 2.0), "gyro": float(np.radians(250.0))}
        ),
    }
)
