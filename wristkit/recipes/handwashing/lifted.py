"""Rubbing where no hands are washed: with a fore arm that points up or down, that turns about, or to and fro too fast.

Hands meet before the belly or over a basin, so that both fore arms lie nearly level. Who brushes, scratches or shakes
something rubs as fast with an arm that does not; a net that was shown washing in one posture alone looks at the pace
and forgets the posture. And hands that meet stay where they are: a wrist that turns over meanwhile shakes or plays with
something, and so does one that turns to and fro faster than hands slide on each other. Rubbing itself is shown in more
ways than it is simulated in: people differ more than simulated ones, in how they hold their arms and in how they rub.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wristkit.events import BACKGROUND
from wristkit.recipes.spotting import joined
from wristkit.recording import FloatArray
from wristkit.windows import Windows

STEEP = 0.85
"""Share of gravity along the fore arm from which on nobody washes: 58 degrees from level, an estimate."""
TUMBLING_RAD_S = (0.5, 3.0)
"""How fast a wrist that washes nothing turns over: estimate."""
SPUN_RAD_S = (6.0, 15.0)
"""Root mean square of how fast something that is shaken turns to and fro: estimate; one wash in fifty is faster."""
SPUN_HZ = (1.0, 3.5)
"""How often it does: estimate."""

LEANT = 0.7
"""Largest share of gravity along a fore arm that washes: 44 degrees from level, an estimate."""
TIMES_ACCEL, TIMES_GYRO = (0.4, 1.1), (0.8, 1.3)
"""Times what is simulated, how strongly who rubs moves and turns: seen in real washes of one person to train on."""


def beside(washing: Windows, *, seed: int = 0) -> Windows:
    """Return what is shown beside windows of rubbing: more of it, rubbed otherwise, and what is none."""
    if len(washing) < 2:
        return washing.subset(np.arange(0))
    return joined([otherwise(washing, seed=seed), not_washing(washing, seed=seed)])


def otherwise(washing: Windows, *, seed: int = 0) -> Windows:
    """Return every second window of rubbing with the fore arm leant otherwise, moved and turned more or less strongly.

    Parameters
    ----------
    washing
        Windows of ``accel`` and ``gyro``, whose x lies along the fore arm.
    """
    rng = np.random.default_rng([seed, 7])
    half = washing.subset(np.arange(1, len(washing), 2))
    vectors = half.values.reshape(len(half), 2, 3, half.samples).astype(np.float64)
    middle = vectors.mean(axis=3, keepdims=True)
    ranges = ((np.log(least), np.log(most)) for least, most in (TIMES_ACCEL, TIMES_GYRO))
    times = np.exp([rng.uniform(least, most, len(half)) for least, most in ranges]).T
    vectors = middle + times[:, :, None, None] * (vectors - middle)
    down = middle[:, 0, :, 0]
    turns = _turns(down, _leant(down, rng.uniform(-LEANT, LEANT, len(half))))
    return _later(half, np.einsum("nij,nvjs->nvis", turns, vectors), moment=0.125)


def not_washing(washing: Windows, *, seed: int = 0) -> Windows:
    """Return windows of rubbing as background: one half lifted, the other tumbled; and every fourth one spun."""
    if len(washing) < 2:
        return washing.subset(np.arange(0))
    return joined([make(washing, seed=seed) for make in (lifted, tumbled, spun)])


def lifted(washing: Windows, *, seed: int = 0) -> Windows:
    """Return every second window of rubbing as background, turned until gravity lies along the fore arm.

    Parameters
    ----------
    washing
        Windows of ``accel`` and ``gyro``, whose x lies along the fore arm.
    """
    rng = np.random.default_rng([seed, 4])
    half = washing.subset(np.arange(0, len(washing), 2))
    vectors = half.values.reshape(len(half), 2, 3, half.samples)
    turns = _turns(vectors[:, 0].mean(axis=2).astype(np.float64), _steep(len(half), rng))
    values = np.einsum("nij,nvjs->nvis", turns, vectors)
    return _as_background(half, values, moment=0.25)


def tumbled(washing: Windows, *, seed: int = 0) -> Windows:
    """Return the windows of rubbing that :func:`lifted` leaves, as background, turned over all the while.

    Parameters
    ----------
    washing
        As in :func:`lifted`.
    """
    rng = np.random.default_rng([seed, 5])
    half = washing.subset(np.arange(1, len(washing), 2))
    vectors = half.values.reshape(len(half), 2, 3, half.samples).astype(np.float64)
    down = vectors[:, 0].mean(axis=2)
    axis = np.cross(down, rng.normal(size=down.shape))  # level, so that gravity goes round
    axis /= np.maximum(1e-9, np.linalg.norm(axis, axis=1, keepdims=True))
    rate = rng.uniform(*TUMBLING_RAD_S, len(half))[:, None] * axis
    after_s = (np.arange(half.samples, dtype=np.float64) - half.samples / 2) / half.rate_hz
    angle = rate[:, :, None] * after_s
    return _as_background(half, _turned(vectors, angle, np.repeat(rate[:, :, None], half.samples, axis=2)), moment=0.5)


def spun(washing: Windows, *, seed: int = 0) -> Windows:
    """Return every fourth window of rubbing as background, turned to and fro about any axis all the while.

    Parameters
    ----------
    washing
        As in :func:`lifted`.
    """
    rng = np.random.default_rng([seed, 6])
    some = washing.subset(np.arange(0, len(washing), 4))
    vectors = some.values.reshape(len(some), 2, 3, some.samples).astype(np.float64)
    axis = rng.normal(size=(len(some), 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    fastest, hz = np.sqrt(2) * rng.uniform(*SPUN_RAD_S, len(some)), rng.uniform(*SPUN_HZ, len(some))
    turns = 2 * np.pi * (hz[:, None] * np.arange(some.samples) / some.rate_hz + rng.random(len(some))[:, None])
    rate = axis[:, :, None] * (fastest[:, None] * np.cos(turns))[:, None]
    angle = axis[:, :, None] * (fastest[:, None] * np.sin(turns) / (2 * np.pi * hz[:, None]))[:, None]
    return _as_background(some, _turned(vectors, angle, rate), moment=0.75)


def _turned(vectors: FloatArray, angle: FloatArray, rate: FloatArray) -> FloatArray:
    """Return acceleration and turning rate (n, 2, 3, samples) in axes that have turned by angles (n, 3, samples)."""
    turned = np.stack([_turned_back(vectors[:, kind], angle) for kind in range(2)], axis=1)
    turned[:, 1] += rate
    return turned


def _as_background(made_of: Windows, values: npt.NDArray[np.floating], *, moment: float) -> Windows:
    """Return made windows as background, a share of a hop later."""
    labels = np.full(len(made_of), BACKGROUND, dtype=object)
    return replace(_later(made_of, values, moment=moment), labels=labels)


def _later(made_of: Windows, values: npt.NDArray[np.floating], *, moment: float) -> Windows:
    """Return made windows, a share of a hop later than those they are made of: each has a time of its own."""
    late_s = moment * made_of.hop_s
    return replace(
        made_of,
        values=values.reshape(made_of.values.shape).astype(np.float32),
        start_s=made_of.start_s + late_s,
        stop_s=made_of.stop_s + late_s,
    )


def _turned_back(vectors: FloatArray, angle: FloatArray) -> FloatArray:
    """Return vectors (n, 3, samples) in axes that have turned by vectors (n, 3, samples) in rad."""
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_rotvec(np.moveaxis(angle, 1, 2).reshape(-1, 3))
    moved = turns.inv().apply(np.moveaxis(vectors, 1, 2).reshape(-1, 3))
    return np.moveaxis(moved.reshape(len(vectors), -1, 3), 2, 1)


def _steep(count: int, rng: np.random.Generator) -> FloatArray:
    """Return directions (n, 3) near x or its opposite."""
    along = rng.uniform(STEEP, 1.0, count) * rng.choice([-1.0, 1.0], count)
    around, across = rng.uniform(0.0, 2 * np.pi, count), np.sqrt(1 - along**2)
    return np.stack([along, across * np.cos(around), across * np.sin(around)], axis=1)


def _leant(down: FloatArray, along: FloatArray) -> FloatArray:
    """Return directions (n, 3) with these shares (n,) along x, which lie about x as others (n, 3) do."""
    around = down * [0.0, 1.0, 1.0]
    around /= np.maximum(1e-9, np.linalg.norm(around, axis=1, keepdims=True))
    return np.asarray(np.sqrt(1 - along**2)[:, None] * around + along[:, None] * [1.0, 0.0, 0.0])


def _turns(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return rotations (n, 3, 3) that turn the directions of one (n, 3) to those of the other, the shortest way."""
    from scipy.spatial.transform import Rotation

    one = one / np.maximum(1e-9, np.linalg.norm(one, axis=1, keepdims=True))
    axis = np.cross(one, other)
    angle = np.arctan2(np.linalg.norm(axis, axis=1), np.einsum("ni,ni->n", one, other))
    axis /= np.maximum(1e-9, np.linalg.norm(axis, axis=1, keepdims=True))
    return np.asarray(Rotation.from_rotvec(angle[:, None] * axis).as_matrix())
