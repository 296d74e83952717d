"""What a sound is like, from its log-mel frames alone: change, running water, speech, nearness.

All are numbers from 0 to 1 but ``flux``, each from sums that are kept up frame by frame. They are cues to look at and
to learn from, not detectors: none is calibrated, and what they tell apart on real sounds stands in the tests.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wristkit.audio.mel import FLOOR, MelParams
from wristkit.audio.sound import FRAME_RATE_HZ, Frames
from wristkit.filters import Filter, only_keys
from wristkit.recording import MISSING_PERIODS, FloatArray

TEXTURE_CHANNELS = (
    *("flux", "flatness", "steadiness", "water", "modulation", "harmonicity", "speech", "proximity", "dryness"),
    "nearness",
)
SYLLABLES = Filter("bandpass", (2.0, 6.5), order=1)  # about 4 Hz, in speech of any language
_LOG_POWER = (float(np.log(FLOOR)) - 0.01, float(np.log(65_504)))  # of the front end; dB or another scale lie beyond


@dataclass(frozen=True)
class TextureParams:
    """Sound texture, 100 values a second, from the frames of ``mel``; causal, each at the time of its frame.

    ========== ============================================================================================
    flux       mean rise of log power from the frame before, over all bands
    flatness   geometric over arithmetic mean of the power density from 500 Hz on, smoothed over 0.5 s
    steadiness 1 / (1 + variance of the mean log power from 500 Hz on), over 1 s
    water      flatness * steadiness * how far the bands stand above the floor: running water, rain, any hiss
    modulation depth of the log power's swing at 2 to 6.5 Hz in the bands, over 1 s
    harmonicity ripple across the bands of 100 to 1,200 Hz where power is: what a voice's overtones leave there
    speech     modulation * harmonicity
    proximity  power below 250 Hz over that below 4 kHz, over 1 s: a near mouth or a breath booms
    dryness    depth of the level's falls within 50 ms, over 1 s: a room's reverberation fills them
    nearness   geometric mean of proximity and dryness
    ========== ============================================================================================

    ``modulation``, ``harmonicity`` and ``dryness`` are ``x / (1 + x)`` of an x in natural-log units of power.
    """

    mel: MelParams = field(default_factory=MelParams)

    def __post_init__(self) -> None:
        voice, bass = _between(self.mel, 100, 1200), _between(self.mel, 0, 250)
        if len(voice) < 3 or not len(bass) or len(_between(self.mel, 500, np.inf)) < 2:
            raise ValueError(
                f"{self.mel} has too few bands below 250 Hz, from 100 to 1,200 Hz or above; give 20 or more"
            )

    def start(self) -> "TextureState":
        """Return the state before the first frame."""
        return TextureState(self)

    def run(self, frames: Frames) -> Frames:
        """Return the texture of the frames of a whole sound."""
        return self.start().push(frames)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "texture", "mel": asdict(self.mel)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the step that :meth:`to_dict` described."""
        only_keys(fields, ("step", "mel"), "the step 'texture'")
        only_keys(fields["mel"], ("low_hz", "high_hz", "bands"), "mel of the step 'texture'")
        return cls(MelParams(**fields["mel"]))


class TextureState:
    """Running texture; a missing frame begins it anew."""

    def __init__(self, params: TextureParams) -> None:
        self.newest_s = -np.inf
        self._params = params
        self.end_stretch()

    def end_stretch(self) -> None:
        """Forget all state, as a gap does."""
        self._stretch = _Stretch(self._params)

    def push(self, frames: Frames) -> Frames:
        """Return (m, 10) textures of the next (m, bands) frames of log power."""
        values = _checked(frames, self._params, self.newest_s)
        lost = np.flatnonzero(np.diff(frames.time_s, prepend=self.newest_s) > MISSING_PERIODS / FRAME_RATE_HZ)
        parts = [np.empty((0, len(TEXTURE_CHANNELS)))]
        for first, last in pairwise(np.unique([0, *lost, len(values)]).tolist()):
            if first in lost:
                self.end_stretch()
            parts.append(self._stretch.push(values[first:last]))
        self.newest_s = float(frames.time_s[-1]) if len(values) else self.newest_s
        return Frames(frames.time_s, np.concatenate(parts), frames.needed_s)


def _checked(frames: Frames, params: TextureParams, newest_s: float) -> FloatArray:
    """Return log power as it is kept in a stream, or raise what is wrong with it."""
    # Rounded as a stream rounds it, so that frames from a microphone and from a file give the same bits.
    values = np.ascontiguousarray(frames.values, dtype=np.float32).astype(np.float64)
    if values.shape != (len(frames.time_s), params.mel.bands):
        raise ValueError(f"frames are {values.shape}, expected ({len(frames.time_s)}, {params.mel.bands})")
    if len(values) and not (_LOG_POWER[0] <= values.min() <= values.max() <= _LOG_POWER[1]):
        raise ValueError(
            f"log power spans {values.min():.4g} to {values.max():.4g}, expected {_LOG_POWER[0]:.4g} to "
            f"{_LOG_POWER[1]:.4g}; give what MelParams makes, in natural logarithms"
        )
    if not np.isfinite(frames.time_s).all():
        raise ValueError("frames have stamps that are NaN or infinite, expected seconds; leave such frames out")
    if (np.diff(frames.time_s, prepend=newest_s) <= 0).any():
        raise ValueError("frames do not follow each other in time; drop repeated ones, or start anew")
    return values


class _Mean:
    """Exponential mean of each column, settled on the first row."""

    def __init__(self, span_s: float) -> None:
        self._share = 1 - float(np.exp(-1 / (span_s * FRAME_RATE_HZ)))
        self._memory: FloatArray | None = None

    def push(self, values: FloatArray) -> FloatArray:
        from scipy.signal import lfilter

        if self._memory is None:
            self._memory = (1 - self._share) * values[:1]
        smooth, self._memory = lfilter([self._share], [1, self._share - 1], values, axis=0, zi=self._memory)
        return np.asarray(smooth)


class _Stretch:
    """Everything that the textures of frames in a row keep of the frames before."""

    def __init__(self, params: TextureParams) -> None:
        self._areas = params.mel.coefficients().matrix.sum(axis=0)
        self._treble, self._voice = _between(params.mel, 500, np.inf), _between(params.mel, 100, 1200)
        self._bass, self._middle = _between(params.mel, 0, 250), _between(params.mel, 0, 4000)
        self._last: FloatArray | None = None
        spans_s = {"density": 0.5, "hiss": 1.0, "swing": 1.0, "voice": 0.03, "ripple": 0.5, "bass": 1.0, "level": 0.05}
        self._means = {name: _Mean(span_s) for name, span_s in {**spans_s, "falls": 1.0}.items()}

    def push(self, log_power: FloatArray) -> FloatArray:
        """Return (m, 10) textures of the next (m, bands) frames."""
        if not len(log_power):
            return np.empty((0, len(TEXTURE_CHANNELS)))
        if self._last is None:
            self._last = log_power[:1]
            self._syllables = SYLLABLES.start(FRAME_RATE_HZ, log_power[0])
        power = np.maximum(np.exp(log_power) - FLOOR, 0)
        before = np.concatenate([self._last, log_power[:-1]])
        self._last = log_power[-1:].copy()
        flux = _mean(np.maximum(log_power - before, 0))
        water = self._water(log_power[:, self._treble], power[:, self._treble])
        return np.column_stack([flux, *water, *self._speech(log_power, power), *self._nearness(power)])

    def _water(self, log_power: FloatArray, power: FloatArray) -> tuple[FloatArray, ...]:
        audible = _mean(1 - np.minimum(1, FLOOR / np.exp(log_power)))
        smooth = self._means["density"].push(np.column_stack([power + FLOOR, audible]))
        density = smooth[:, :-1] / self._areas[self._treble]
        flatness = np.exp(_mean(np.log(density))) / _mean(density)
        level = _mean(log_power)
        moments = self._means["hiss"].push(np.column_stack([level, level**2]))
        steadiness = 1 / (1 + np.maximum(0, moments[:, 1] - moments[:, 0] ** 2))
        return flatness, steadiness, flatness * steadiness * smooth[:, -1]

    def _speech(self, log_power: FloatArray, power: FloatArray) -> tuple[FloatArray, ...]:
        swing = np.sqrt(self._means["swing"].push(_mean(self._syllables.push(log_power) ** 2)[:, None])[:, 0])
        voice = self._means["voice"].push(log_power)[:, self._voice]
        ripple = _mean(np.abs(voice[:, 1:-1] - (voice[:, :-2] + voice[:, 2:]) / 2))
        loud = _mean(power[:, self._voice])
        sums = self._means["ripple"].push(np.column_stack([loud * ripple, loud]))
        ripple = sums[:, 0] / (sums[:, 1] + FLOOR)
        modulation, harmonicity = swing / (1 + swing), ripple / (1 + ripple)
        return modulation, harmonicity, modulation * harmonicity

    def _nearness(self, power: FloatArray) -> tuple[FloatArray, ...]:
        sums = np.column_stack([_sum(power[:, self._bass]), _sum(power[:, self._middle])])
        bass, middle = self._means["bass"].push(sums).T
        proximity = bass / (middle + FLOOR)
        level = np.log(_sum(power) + power.shape[1] * FLOOR)[:, None]
        falls = np.maximum(0, self._means["level"].push(level) - level)
        depth = np.sqrt(self._means["falls"].push(falls**2)[:, 0])
        dryness = depth / (1 + depth)
        return proximity, dryness, np.sqrt(proximity * dryness)


def _between(mel: MelParams, low_hz: float, high_hz: float) -> npt.NDArray[np.int64]:
    """Return which bands have their centre in a range."""
    return np.flatnonzero((mel.centres_hz >= low_hz) & (mel.centres_hz < high_hz))


def _sum(values: FloatArray) -> FloatArray:
    """Return the sum of each row, from left to right however many rows there are."""
    return np.asarray(np.add.accumulate(values, axis=1)[:, -1])


def _mean(values: FloatArray) -> FloatArray:
    return np.asarray(_sum(values) / values.shape[1])
