"""Rubbing where no hands are washed: with a fore arm that points to the sky or to the ground.

Hands meet before the belly or over a basin, so that both fore arms lie nearly level. Who brushes, scratches or shakes
something rubs as fast with an arm that does not; a net that was shown washing in one posture alone looks at the pace
and forgets the posture.
"""

from dataclasses import replace

import numpy as np

from wristkit.events import BACKGROUND
from wristkit.recording import FloatArray
from wristkit.windows import Windows

STEEP = 0.85
"""Share of gravity along the fore arm from which on nobody washes: 58 degrees from level, an estimate."""


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
    values = np.einsum("nij,nvjs->nvis", turns, vectors).reshape(half.values.shape).astype(np.float32)
    moment_s = 0.25 * half.hop_s  # later, so that each window of a recording has a time of its own
    return replace(
        half,
        values=values,
        labels=np.full(len(half), BACKGROUND, dtype=object),
        start_s=half.start_s + moment_s,
        stop_s=half.stop_s + moment_s,
    )


def _steep(count: int, rng: np.random.Generator) -> FloatArray:
    """Return directions (n, 3) near x or its opposite."""
    along = rng.uniform(STEEP, 1.0, count) * rng.choice([-1.0, 1.0], count)
    around, across = rng.uniform(0.0, 2 * np.pi, count), np.sqrt(1 - along**2)
    return np.stack([along, across * np.cos(around), across * np.sin(around)], axis=1)


def _turns(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return rotations (n, 3, 3) that turn the directions of one (n, 3) to those of the other, the shortest way."""
    from scipy.spatial.transform import Rotation

    one = one / np.maximum(1e-9, np.linalg.norm(one, axis=1, keepdims=True))
    axis = np.cross(one, other)
    angle = np.arctan2(np.linalg.norm(axis, axis=1), np.einsum("ni,ni->n", one, other))
    axis /= np.maximum(1e-9, np.linalg.norm(axis, axis=1, keepdims=True))
    return np.asarray(Rotation.from_rotvec(angle[:, None] * axis).as_matrix())
