"""People who differ: the traits of a body and of how it wears the watch, drawn from a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, get_args

import numpy as np

from wristkit.filters import is_number
from wristkit.recording import Side


class Trait(NamedTuple):
    """Mean and standard deviation over people, the limits of a draw, and where the numbers are from."""

    mean: float
    sd: float
    low: float
    high: float
    source: str


ESTIMATE = "estimate"
GAIT = "estimate within the 1.6 to 2.2 steps a second of ordinary walking"
ANTHROPOMETRY = "estimate near 0.186 (upper arm) and 0.146 (forearm) of a stature of 1.55 to 1.90 m"
TENDON = "estimate: transients of 8 to 30 Hz, 40 to 120 ms, 0.05 to 0.4 g, 0.2 to 2 rad/s; taps 120 to 350 ms apart"

TRAITS: Mapping[str, Trait] = MappingProxyType(
    {
        "upper_arm_m": Trait(0.32, 0.02, 0.27, 0.37, ANTHROPOMETRY),
        "forearm_m": Trait(0.25, 0.015, 0.21, 0.29, ANTHROPOMETRY),
        "cadence_hz": Trait(1.88, 0.13, 1.6, 2.2, GAIT),
        "swing_rad": Trait(0.36, 0.09, 0.20, 0.60, ESTIMATE),
        "elbow_swing_rad": Trait(0.22, 0.08, 0.05, 0.45, ESTIMATE),
        "heel_strike_g": Trait(0.30, 0.09, 0.12, 0.55, ESTIMATE),
        "tremor_rad": Trait(2.0e-4, 0.8e-4, 0.5e-4, 4.0e-4, ESTIMATE),
        "tremor_hz": Trait(9.5, 1.2, 7.0, 12.0, "estimate within the 8 to 12 Hz of physiological tremor"),
        "elbow_rad": Trait(0.0, 0.14, -0.3, 0.3, ESTIMATE),
        "pronation_rad": Trait(0.0, 0.20, -0.4, 0.4, ESTIMATE),
        "abduction_rad": Trait(0.15, 0.07, 0.0, 0.35, ESTIMATE),
        "strap_tilt_rad": Trait(0.0, 0.12, -0.3, 0.3, ESTIMATE),
        "strap_looseness": Trait(0.4, 0.2, 0.0, 1.0, ESTIMATE),
        "keys_hz": Trait(5.0, 1.1, 2.8, 7.5, ESTIMATE),
        "key_g": Trait(0.07, 0.025, 0.03, 0.14, ESTIMATE),
        "rub_hz": Trait(2.6, 0.55, 1.5, 4.0, ESTIMATE),
        "rub_rad": Trait(0.14, 0.04, 0.07, 0.26, ESTIMATE),
        "reach_s": Trait(0.85, 0.13, 0.6, 1.2, ESTIMATE),
        "rise_s": Trait(1.5, 0.22, 1.0, 2.1, ESTIMATE),
        "fidgets_hz": Trait(0.22, 0.08, 0.08, 0.45, ESTIMATE),
        "resting_bpm": Trait(64.0, 7.0, 48.0, 82.0, ESTIMATE),
        # New traits stand last: a draw before them would change every person.
        "tendon_g": Trait(0.15, 0.06, 0.05, 0.40, TENDON),
        "tendon_rad_s": Trait(0.75, 0.30, 0.20, 2.0, TENDON),
        "tendon_hz": Trait(16.0, 3.5, 9.0, 27.0, TENDON),
        "tendon_s": Trait(0.075, 0.015, 0.045, 0.11, TENDON),
        "tendon_azimuth_rad": Trait(0.0, 0.8, -2.4, 2.4, ESTIMATE),
        "tendon_elevation_rad": Trait(0.7, 0.35, -0.4, 1.4, ESTIMATE),
        "tap_gap_s": Trait(0.22, 0.045, 0.12, 0.35, TENDON),
        "clench_s": Trait(0.38, 0.10, 0.18, 0.75, ESTIMATE),
        "clench_rad": Trait(0.07, 0.03, 0.015, 0.16, ESTIMATE),
        "pulse_share": Trait(0.015, 0.005, 0.005, 0.03, "estimate within the 0.5 to 3 % of green light at a wrist"),
        "press_pulses": Trait(2.0, 0.8, 0.5, 4.5, ESTIMATE),
        "impact_g": Trait(0.8, 0.3, 0.25, 1.8, ESTIMATE),
        "pace": Trait(1.0, 0.13, 0.7, 1.35, ESTIMATE),
    }
)
_SIDES: tuple[tuple[Side, Side], ...] = (("left", "right"), ("left", "left"), ("right", "left"), ("right", "right"))


@dataclass(frozen=True, kw_only=True)
class Person:
    """One simulated person; ``TRAITS`` says how each number is spread over people and where that is from.

    Parameters
    ----------
    subject
        Name of the person in recordings.
    wrist, crown
        Side on which the watch is worn, and the wearer's side towards which the crown points.
    upper_arm_m, forearm_m
        Shoulder to elbow, and elbow to watch.
    cadence_hz, swing_rad, elbow_swing_rad, heel_strike_g
        Steps a second, amplitude of shoulder and elbow, and what of a step's impact reaches the wrist.
    tremor_rad, tremor_hz
        Amplitude and frequency of the tremor of the forearm.
    elbow_rad, pronation_rad, abduction_rad
        How this person holds the arm, against the posture of each activity.
    strap_tilt_rad, strap_looseness
        Turn of the watch around the forearm; 0 for a tight strap, 1 for one that rings with each impact.
    keys_hz, key_g, rub_hz, rub_rad, reach_s, rise_s, fidgets_hz, resting_bpm
        Pace and strength of key strokes and rubbing, time of a reach and of a rise, shifts a second, heart at rest.
    tendon_g, tendon_rad_s, tendon_hz, tendon_s
        What of a pinch reaches the watch: push, turn, frequency of the ring, and how long it is felt (to 5 %).
    tendon_azimuth_rad, tendon_elevation_rad
        Direction of that push in the axes of the wrist, against x (to the hand) and the plane of the watch.
    tap_gap_s, clench_s, clench_rad
        From one tap to the next, how long a fist is held, and how far it turns the watch.
    pulse_share, press_pulses
        Part of the light that comes and goes with the pulse, and by how many pulses a pinch dims the light.
    impact_g, pace
        How hard hands land on things, and how fast the hands are against those of others.
    """

    subject: str
    wrist: Side
    crown: Side
    upper_arm_m: float
    forearm_m: float
    cadence_hz: float
    swing_rad: float
    elbow_swing_rad: float
    heel_strike_g: float
    tremor_rad: float
    tremor_hz: float
    elbow_rad: float
    pronation_rad: float
    abduction_rad: float
    strap_tilt_rad: float
    strap_looseness: float
    keys_hz: float
    key_g: float
    rub_hz: float
    rub_rad: float
    reach_s: float
    rise_s: float
    fidgets_hz: float
    resting_bpm: float
    tendon_g: float
    tendon_rad_s: float
    tendon_hz: float
    tendon_s: float
    tendon_azimuth_rad: float
    tendon_elevation_rad: float
    tap_gap_s: float
    clench_s: float
    clench_rad: float
    pulse_share: float
    press_pulses: float
    impact_g: float
    pace: float

    def __post_init__(self) -> None:
        for name, trait in TRAITS.items():
            value, least = getattr(self, name), "a number" if trait.low < 0 else "a number of 0 or more"
            if not (is_number(value) and abs(value) < np.inf and (value >= 0 or trait.low < 0)):
                raise ValueError(f"{name} of a person is {value!r}, expected {least}, usually near {trait.mean:g}")
        for name in ("wrist", "crown"):
            if getattr(self, name) not in get_args(Side):
                raise ValueError(f"{name} of a person is {getattr(self, name)!r}, expected one of {get_args(Side)}")


def check_seed(seed: object) -> None:
    """Raise where a seed is no whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}, expected a whole number, 0 or more")


def check_seeds(seed: object) -> None:
    """Raise where a seed is neither such a number nor several of them."""
    for one in seed if isinstance(seed, list | tuple) and seed else [seed]:
        check_seed(one)


def people(count: int, *, seed: int) -> list[Person]:
    """Return ``count`` people who differ, on both wrists and with the crown on both sides in turn.

    The first people of a longer list are the same people.
    """
    check_seed(seed)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"count is {count!r}, expected a whole number of people, 1 or more")
    return [_person(index, np.random.default_rng([seed, index])) for index in range(count)]


def _person(index: int, rng: np.random.Generator) -> Person:
    wrist, crown = _SIDES[index % len(_SIDES)]
    traits = {
        name: float(np.clip(rng.normal(trait.mean, trait.sd), trait.low, trait.high)) for name, trait in TRAITS.items()
    }
    return Person(subject=f"p{index + 1:02d}", wrist=wrist, crown=crown, **traits)
