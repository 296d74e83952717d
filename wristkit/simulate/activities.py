"""What people do with an arm: each activity gives joint angles and impacts over time. All amplitudes are estimates."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.fft import irfft, rfft

from wristkit.recording import STANDARD_GRAVITY, FloatArray
from wristkit.simulate.body import COLUMN, COORDINATES, Motion
from wristkit.simulate.people import Person

Activity = Callable[[Person, FloatArray, np.random.Generator], Motion]

_POSTURE_SD_RAD = 0.10  # how differently one person holds the arm from one bout to the next: estimate


def minimum_jerk(progress: FloatArray) -> FloatArray:
    """Return the smooth way from 0 to 1 that hands take, for progress clipped to 0..1."""
    u = np.clip(progress, 0.0, 1.0)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


def walking(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return arm swing at half the step rate, the trunk's bounce, and an impact at each heel strike."""
    phase = gait_phase(person, time_s, rng)
    swing = person.swing_rad * rng.lognormal(0.0, 0.2) * (1 + wander(rng, time_s, sd=0.12, hz=0.3))
    lag = rng.uniform(0.2, 0.6)
    moves = {
        "heading": wander(rng, time_s, sd=0.25, hz=0.08),
        "flexion": swing * np.sin(phase) + 0.05,
        "rotation": 0.3 * swing * np.sin(phase - lag),
        "elbow": person.elbow_swing_rad * (1 + np.sin(phase - lag)),
        "pronation": 0.25 * swing * np.sin(phase + lag),
        "forward_m": 0.010 * np.sin(2 * phase),
        "left_m": 0.018 * np.sin(phase),
        "up_m": 0.020 * np.cos(2 * phase),
    }
    posture = in_posture(person, rng, {"elbow": 0.25, "pronation": 0.35})
    return in_motion(person, time_s, rng, posture, moves, shock=_heel_strikes(person, time_s, phase, rng))


def sitting(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a forearm on thigh or arm rest that is never quite still, and shifts now and then."""
    angles = {"flexion": 0.25, "elbow": 1.3, "pronation": rng.uniform(0.7, 1.5), "rotation": 0.3}
    restless_rad = 0.010 * rng.lognormal(0.0, 0.4)
    shifts = _fidgets(person, time_s, rng, size_rad=0.10)
    moves = {name: shift + wander(rng, time_s, sd=restless_rad, hz=0.6) for name, shift in shifts.items()}
    return in_motion(person, time_s, rng, in_posture(person, rng, angles), moves)


def typing(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a pronated forearm over the keys, with a small impact at each stroke and short pauses for thought."""
    strokes = irregular(rng, time_s, mean_gap_s=1 / person.keys_hz, spread=0.5)
    strokes = strokes[np.sin(2 * np.pi * strokes / rng.uniform(5, 9) + rng.uniform(0, 6)) > -0.75]
    moves = {
        "rotation": wander(rng, time_s, sd=0.035, hz=0.6),
        "wrist": wander(rng, time_s, sd=0.12, hz=2.0),
        "pronation": wander(rng, time_s, sd=0.03, hz=1.2),
        "elbow": wander(rng, time_s, sd=0.012, hz=0.8),
    }
    ring = ring_of(time_s, strokes, person.key_g * rng.lognormal(0.0, 0.4, len(strokes)), hz=17, decay_s=0.03)
    shock = np.asarray(np.outer(ring, [0.15, 0.1, 1.0]) * STANDARD_GRAVITY, dtype=np.float64)
    return in_motion(
        person,
        time_s,
        rng,
        in_posture(person, rng, {"flexion": 0.35, "elbow": 1.35, "pronation": 1.4}),
        moves,
        shock=shock,
    )


def standing_up(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return rising from a seat and sitting down again, over and over: lean, push off, stand, sit."""
    turns = irregular(rng, time_s, mean_gap_s=1.25 * person.rise_s, spread=0.15)
    takes = person.rise_s * rng.uniform(0.85, 1.15, len(turns))
    upright = path_of(time_s, turns, takes, np.mod(np.arange(1.0, len(turns) + 1), 2.0).astype(np.float64))
    lean = np.sin(np.pi * upright) ** 2
    moves = {
        "trunk_pitch": 0.65 * lean * rng.uniform(0.7, 1.2),
        "forward_m": 0.25 * upright,
        "up_m": 0.40 * upright,
        "flexion": 0.30 * (1 - upright) + 0.45 * lean * rng.uniform(0.6, 1.2),
        "elbow": 0.90 * (1 - upright) - 0.25 * lean,
        "pronation": 0.55 * (1 - upright),
    }
    return in_motion(person, time_s, rng, in_posture(person, rng, {"elbow": 0.25, "pronation": 0.3}), moves)


def washing(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return hands that rub each other: along the palms, then around them, changing every few seconds."""
    hz = person.rub_hz * rng.uniform(0.9, 1.1) * (1 + wander(rng, time_s, sd=0.08, hz=0.3))
    phase = 2 * np.pi * np.cumsum(hz) * step_s(time_s)
    changes = irregular(rng, time_s, mean_gap_s=4.0, spread=0.4)
    around = path_of(time_s, changes, np.full(len(changes), 0.6), rng.uniform(0, 1, len(changes)))
    size = person.rub_rad * (1 + wander(rng, time_s, sd=0.2, hz=0.5))
    moves = {
        "flexion": size * (0.5 - 0.35 * around) * np.sin(phase),
        "elbow": -size * (0.9 - 0.5 * around) * np.sin(phase) + wander(rng, time_s, sd=0.08, hz=0.4),
        "rotation": 0.4 * size * around * np.cos(phase),
        "pronation": size * (0.25 + 1.5 * around) * np.sin(phase + 0.7) + wander(rng, time_s, sd=0.25, hz=0.25),
        "wrist": size * np.cos(phase),
    }
    return in_motion(
        person,
        time_s,
        rng,
        in_posture(person, rng, {"flexion": 0.45, "elbow": 1.35, "pronation": 0.6, "rotation": 0.4}),
        moves,
    )


def reaching(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return minimum-jerk reaches to places in front and back, with a short stay at each end."""
    starts = irregular(rng, time_s, mean_gap_s=1.5 * person.reach_s, spread=0.25)
    takes = person.reach_s * rng.uniform(0.8, 1.25, len(starts))
    away = np.arange(1, len(starts) + 1) % 2 * rng.uniform(0.55, 1.1, len(starts))
    sideways = away * rng.uniform(-0.6, 0.6, len(starts))
    moves = {
        "flexion": 0.95 * path_of(time_s, starts, takes, away),
        "elbow": -1.05 * path_of(time_s, starts, takes, away),
        "rotation": path_of(time_s, starts, takes, sideways),
        "pronation": path_of(time_s, starts, takes, away * rng.uniform(-0.6, 0.6, len(starts))),
        "trunk_pitch": 0.15 * path_of(time_s, starts, takes, away),
    }
    return in_motion(
        person, time_s, rng, in_posture(person, rng, {"flexion": 0.25, "elbow": 1.5, "pronation": 0.9}), moves
    )


def resting(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return an arm that lies or hangs beside a person who leans back, with little more than breath in it."""
    flexion, elbow, pronation = _LYING[rng.integers(len(_LYING))]
    posture = in_posture(person, rng, {"flexion": flexion, "elbow": elbow, "pronation": pronation, "trunk_pitch": -0.5})
    moves = {"flexion": 0.006 * np.sin(2 * np.pi * rng.uniform(0.2, 0.3) * time_s)}
    return in_motion(person, time_s, rng, posture, moves)


ACTIVITIES: Mapping[str, Activity] = MappingProxyType(
    {
        "walking": walking,
        "sitting": sitting,
        "typing": typing,
        "standing_up": standing_up,
        "washing": washing,
        "reaching": reaching,
        "resting": resting,
    }
)
_LYING = ((0.9, 0.25, 0.9), (0.0, 0.2, 0.3), (0.6, 0.9, 1.2))  # flexion, elbow, pronation in rad: estimates


def in_posture(person: Person, rng: np.random.Generator, angles_rad: Mapping[str, float]) -> FloatArray:
    """Return the (11,) coordinates of a posture as this person holds it in this bout."""
    posture = np.zeros(len(COORDINATES))
    for name, angle in angles_rad.items():
        posture[COLUMN[name]] = angle
    held = [COLUMN[name] for name in ("flexion", "abduction", "rotation", "elbow", "pronation")]
    posture[held] += rng.normal(0.0, _POSTURE_SD_RAD, len(held))
    posture[COLUMN["heading"]] = rng.uniform(-0.8, 0.8)
    posture[COLUMN["abduction"]] += person.abduction_rad
    posture[COLUMN["elbow"]] += person.elbow_rad
    posture[COLUMN["pronation"]] += person.pronation_rad
    return posture


def in_motion(
    person: Person,
    time_s: FloatArray,
    rng: np.random.Generator,
    posture: FloatArray,
    moves: Mapping[str, FloatArray],
    *,
    shock: FloatArray | None = None,
) -> Motion:
    """Return a posture with moves around it, and the tremor that is in everything."""
    coordinates = np.tile(posture, (len(time_s), 1))
    for name, move in moves.items():
        coordinates[:, COLUMN[name]] += move
    tremor = person.tremor_rad * (1 + wander(rng, time_s, sd=0.3, hz=1.0))
    phase = 2 * np.pi * person.tremor_hz * time_s + wander(rng, time_s, sd=1.5, hz=0.8)
    coordinates[:, COLUMN["elbow"]] += tremor * np.sin(phase)
    coordinates[:, COLUMN["pronation"]] += 1.5 * tremor * np.cos(phase + 1.0)
    return Motion(coordinates, np.zeros((len(time_s), 3)) if shock is None else shock)


def gait_phase(person: Person, time_s: FloatArray, rng: np.random.Generator, *, hz: float | None = None) -> FloatArray:
    """Return the phase of the stride (two steps) in radians, at this person's cadence or another one."""
    steps_hz = (
        (person.cadence_hz if hz is None else hz) * rng.uniform(0.92, 1.08) * (1 + wander(rng, time_s, sd=0.02, hz=0.2))
    )
    return np.asarray(np.pi * np.cumsum(steps_hz) * step_s(time_s) + rng.uniform(0, 2 * np.pi))


def _heel_strikes(person: Person, time_s: FloatArray, phase: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the impacts (n, 3) in m/s2 of both feet; the far foot's arrives weaker, a loose strap rings longer."""
    steps = np.floor(phase / np.pi - 0.5)  # the foot lands when the arm is at the end of its swing
    strikes = np.flatnonzero(np.diff(steps))
    far = 1 - 0.3 * (steps[strikes] % 2)
    sizes = person.heel_strike_g * far * rng.lognormal(0.0, 0.2, len(strikes))
    decay_s = 0.035 + 0.03 * person.strap_looseness
    ring = ring_of(time_s, time_s[strikes], sizes, hz=14 - 3 * person.strap_looseness, decay_s=decay_s)
    return np.asarray(np.outer(ring, [0.35, 0.1, 1.0]) * STANDARD_GRAVITY, dtype=np.float64)


def _fidgets(person: Person, time_s: FloatArray, rng: np.random.Generator, *, size_rad: float) -> dict[str, FloatArray]:
    """Return small shifts of posture at irregular times."""
    starts = irregular(rng, time_s, mean_gap_s=1 / person.fidgets_hz, spread=0.7)
    takes = rng.uniform(0.4, 1.0, len(starts))
    shifts = rng.normal(0.0, size_rad, (4, len(starts)))
    names = ("flexion", "elbow", "pronation", "rotation")
    return {name: path_of(time_s, starts, takes, shift) for name, shift in zip(names, shifts, strict=True)}


def step_s(time_s: FloatArray) -> float:
    """Return the seconds between two samples of a uniform clock."""
    return float(time_s[1] - time_s[0])


def wander(rng: np.random.Generator, time_s: FloatArray, *, sd: float, hz: float) -> FloatArray:
    """Return smooth noise (n,) of this standard deviation with little above ``hz``."""
    width = 1 / (2 * np.pi * hz * step_s(time_s))
    noise = _smoothed(rng.standard_normal(len(time_s)), width)
    return np.asarray(sd * noise * np.sqrt(2 * np.sqrt(np.pi) * width))


def _smoothed(noise: FloatArray, width: float) -> FloatArray:
    """Return what scipy's ``gaussian_filter1d(noise, width, mode="wrap")`` does, as fast for any width."""
    reach = int(4 * width + 0.5)
    away = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (away / width) ** 2)
    kernel = np.bincount(away % len(noise), weights / weights.sum(), minlength=len(noise))
    return np.asarray(irfft(rfft(noise) * rfft(kernel), n=len(noise)))


def irregular(rng: np.random.Generator, time_s: FloatArray, *, mean_gap_s: float, spread: float) -> FloatArray:
    """Return irregular times from the start of ``time_s`` to its end, the gaps spread evenly around their mean."""
    most = int((time_s[-1] - time_s[0]) / (mean_gap_s * (1 - spread))) + 2
    gaps = mean_gap_s * rng.uniform(1 - spread, 1 + spread, most)
    times = time_s[0] + np.cumsum(gaps) - 0.5 * gaps[0]
    return np.asarray(times[times < time_s[-1]])


def path_of(time_s: FloatArray, starts: FloatArray, takes: FloatArray, targets: FloatArray) -> FloatArray:
    """Return a coordinate (n,) that goes from 0 to each target in turn by minimum-jerk moves."""
    steps = np.diff(np.concatenate([[0.0], targets]))
    path = np.zeros(len(time_s))
    for start, take, step in zip(starts, takes, steps, strict=True):
        path += step * minimum_jerk((time_s - start) / take)
    return path


def ring_of(time_s: FloatArray, at_s: FloatArray, sizes: FloatArray, *, hz: float, decay_s: float) -> FloatArray:
    """Return decaying sinusoids (n,), each starting at its time with about its size as peak."""
    period_s = step_s(time_s)
    train = np.zeros(len(time_s))
    np.add.at(train, np.clip(np.round((at_s - time_s[0]) / period_s).astype(int), 0, len(time_s) - 1), sizes)
    after_s = np.arange(0, 6 * decay_s, period_s)
    kernel = np.sin(2 * np.pi * hz * after_s) * np.exp(-after_s / decay_s)
    return np.asarray(np.convolve(train, kernel / np.abs(kernel).max())[: len(time_s)])
