"""Windows as other wearers, straps, sensors and radios would have given them: pure functions of arrays and a seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.condition import AXIAL, POLAR, WRIST_SIGNS, Conditioning
from wristkit.filters import Moving
from wristkit.signals.offline import ATTITUDES

Array = npt.NDArray[np.float32]


class Typical(NamedTuple):
    """Standard deviations of noise and bias of a sensor, in its unit."""

    noise: float
    bias: float


# Estimates: what data sheets of wrist sensors give, rounded up. Units that are not here get neither.
SENSORS: Mapping[str, Typical] = MappingProxyType(
    {
        "g": Typical(noise=0.004, bias=0.02),
        "rad/s": Typical(noise=0.006, bias=0.02),
        "uT": Typical(noise=0.5, bias=3.0),
        "kPa": Typical(noise=0.002, bias=0.02),
        "log power": Typical(noise=0.1, bias=0.3),
    }
)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is varied in training, and how far; 0 switches one off.

    Parameters
    ----------
    mirror
        Share of the windows that are worn on any wrist with the crown to any side, all four alike. The frame
        ``"wrist"`` has undone this already, and nothing is mirrored. Beside ``attitude`` nothing is mirrored or turned.
    rotation_rad
        Standard deviation of the angle by which the strap lets the device turn, about any axis; accel and gyro turn
        together, and gyro keeps its handedness in a mirror. 0.15 is about ten degrees.
    time_warp
        Most by which the pace rises at one end of a window and falls at the other; its ends stay where they are.
    gain
        Standard deviation of the logarithm by which the motion about a window's mean is larger or smaller. Sound, which
        is a logarithm already, is shifted by twice as much.
    bias, noise
        Times what a sensor of such a unit has (``SENSORS``): a constant for each channel of a window, and white noise.
    dropout
        Share of the windows in which a stream loses a packet, up to the longest loss that is no gap; the samples are
        replaced by the straight line over the loss, as the grid does.
    """

    mirror: float = 0.5
    rotation_rad: float = 0.15
    time_warp: float = 0.1
    gain: float = 0.1
    bias: float = 1.0
    noise: float = 1.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        limits = {
            "mirror": 1.0,
            "rotation_rad": np.pi,
            "time_warp": 0.9,
            "gain": 2.0,
            "bias": 1e3,
            "noise": 1e3,
            "dropout": 1.0,
        }
        for name, most in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ValueError(f"{name} is {value!r}, expected a number from 0 (off) to {most:.3g}")

    @classmethod
    def off(cls) -> "Augmentation":
        """Return one that leaves windows as they are."""
        return cls(mirror=0, rotation_rad=0, time_warp=0, gain=0, bias=0, noise=0, dropout=0)

    def single(self) -> Iterator[tuple[str, "Augmentation"]]:
        """Yield the name of each that is on, and an augmentation in which it alone is."""
        for one in fields(self):
            if getattr(self, one.name):
                yield one.name, replace(Augmentation.off(), **{one.name: getattr(self, one.name)})


def augment(
    values: Array,
    conditioning: Conditioning,
    rng: np.random.Generator,
    augmentation: Augmentation = Augmentation(),
) -> Array:
    """Return windows (n, channels, samples) varied at random, as new arrays.

    Each kind draws from a stream of its own, so that switching one off leaves the others as they were.
    """
    if values.ndim != 3 or values.shape[1] != len(conditioning.channels):
        raise ValueError(f"values have the shape {values.shape}, expected (n, {len(conditioning.channels)}, samples)")
    varied = values.copy()
    for step, own in zip(_STEPS, rng.spawn(len(_STEPS)), strict=True):
        step(varied, conditioning, own, augmentation)
    return varied


class _Part(NamedTuple):
    """Where the channels of a stream are, and what they are."""

    name: str
    unit: str
    columns: slice
    longest_step_s: float


def _parts(conditioning: Conditioning) -> list[_Part]:
    parts, first = [], 0
    for source in conditioning.sources:
        columns = slice(first, first + len(source.channels))
        first = columns.stop
        parts.append(_Part(source.name, source.unit, columns, source.longest_step_s))
    return parts


def _is_vector(part: _Part, conditioning: Conditioning) -> bool:
    """Return whether three channels turn and mirror as a vector; moving deviations and extremes do not."""
    linear = all(not isinstance(one, Moving) or one.kind == "mean" for one in conditioning.filters)
    return linear and part.name in POLAR | AXIAL and part.columns.stop - part.columns.start == 3


def _wear(values: Array, conditioning: Conditioning, rng: np.random.Generator, wanted: Augmentation) -> None:
    """Mirror and turn by one map for all vectors of a window; not beside an attitude, which it would contradict."""
    if any(part.name in ATTITUDES for part in _parts(conditioning)):
        return
    turns, sides = rng.spawn(2)
    maps = small_rotations(len(values), turns, wanted.rotation_rad)
    signs = np.ones((len(values), 3))
    if wanted.mirror and conditioning.frame.kind == "device":
        chosen = sides.random(len(values)) < wanted.mirror
        signs[chosen] = np.array(list(WRIST_SIGNS.values()))[sides.integers(len(WRIST_SIGNS), size=chosen.sum())]
    elif not wanted.rotation_rad:
        return
    handed = np.prod(signs, axis=1, keepdims=True)
    for part in _parts(conditioning):
        if _is_vector(part, conditioning):
            own = maps * (signs * (handed if part.name in AXIAL else 1.0))[:, None, :]
            values[:, part.columns] = np.einsum("nij,njs->nis", own, values[:, part.columns])


def small_rotations(count: int, rng: np.random.Generator, sd_rad: float) -> npt.NDArray[np.float64]:
    """Return (count, 3, 3) rotations about random axes by a normal angle."""
    from scipy.spatial.transform import Rotation

    axes = rng.normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.asarray(Rotation.from_rotvec(axes * rng.normal(0, sd_rad, size=(count, 1))).as_matrix())


def _warp(values: Array, conditioning: Conditioning, rng: np.random.Generator, wanted: Augmentation) -> None:
    """Read each window at the times of a pace that changes by a cosine; between samples along straight lines."""
    if not wanted.time_warp:
        return
    last = values.shape[2] - 1
    share = np.arange(last + 1) / max(last, 1)
    pace = rng.uniform(-wanted.time_warp, wanted.time_warp, size=(len(values), 1))
    places = np.clip(last * (share + pace * np.sin(np.pi * share) / np.pi), 0, last)
    low = np.minimum(places.astype(np.int64), max(last - 1, 0))
    between = (places - low).astype(np.float32)[:, None]
    at = low[:, None]
    before = np.take_along_axis(values, at, axis=2)
    after = np.take_along_axis(values, np.minimum(at + 1, last), axis=2)
    values[...] = before + (after - before) * between
    for part in _parts(conditioning):
        if part.name in ATTITUDES:
            values[:, part.columns] /= np.linalg.norm(values[:, part.columns], axis=1, keepdims=True)


def _gain(values: Array, conditioning: Conditioning, rng: np.random.Generator, wanted: Augmentation) -> None:
    """Make motion about the mean larger or smaller, by one factor for all streams of a window."""
    if not wanted.gain:
        return
    log_gain = rng.normal(0, wanted.gain, size=(len(values), 1, 1)).astype(np.float32)
    for part in _parts(conditioning):
        own = values[:, part.columns]
        if part.unit == "log power":
            values[:, part.columns] = own + 2 * log_gain
        elif part.name not in ATTITUDES:
            mean = own.mean(axis=2, keepdims=True)
            values[:, part.columns] = mean + (own - mean) * np.exp(log_gain)


def _disturb(values: Array, conditioning: Conditioning, rng: np.random.Generator, wanted: Augmentation) -> None:
    """Add a constant to each channel of a window, and white noise."""
    for_bias, for_noise = rng.spawn(2)
    for part in _parts(conditioning):
        if part.unit not in SENSORS:
            continue
        own, typical = values[:, part.columns], SENSORS[part.unit]
        if wanted.bias:
            constant = for_bias.standard_normal(size=(*own.shape[:2], 1), dtype=np.float32)
            own = own + constant * np.float32(wanted.bias * typical.bias)
        if wanted.noise:
            own = own + for_noise.standard_normal(size=own.shape, dtype=np.float32) * np.float32(
                wanted.noise * typical.noise
            )
        values[:, part.columns] = own


def _lose(values: Array, conditioning: Conditioning, rng: np.random.Generator, wanted: Augmentation) -> None:
    """Draw a straight line over the samples of a lost packet, one stream at a time."""
    samples = values.shape[2]
    for part in _parts(conditioning):
        # The step over a loss of k samples is k + 1 of them long; a longer one would be a gap.
        longest = min(int(part.longest_step_s * conditioning.rate_hz + 1e-6) - 1, samples - 2)
        chosen = np.flatnonzero(rng.random(len(values)) < wanted.dropout)
        if longest < 1:
            continue
        lengths = rng.integers(1, longest + 1, size=len(chosen))
        firsts = rng.integers(0, samples - lengths - 1)  # the sample before the loss; one after it is left as well
        for window, first, length in zip(chosen, firsts, lengths, strict=True):
            edges = values[window, part.columns][:, [first, first + length + 1]]
            share = np.arange(1, length + 1, dtype=np.float32) / (length + 1)
            lost = slice(first + 1, first + length + 1)
            values[window, part.columns, lost] = edges[:, :1] + (edges[:, 1:] - edges[:, :1]) * share


_Step = Callable[[Array, Conditioning, np.random.Generator, Augmentation], None]
_STEPS: tuple[_Step, ...] = (_wear, _warp, _gain, _disturb, _lose)
