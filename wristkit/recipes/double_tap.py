"""Double tap: index finger and thumb meet twice within a third of a second; felt at the wrist as two short rings.

**What is known.** Double Tap of watchOS 10.1 uses accelerometer, gyroscope and optical heart sensor on the Neural
Engine; no accuracy was published. For hand gestures from accelerometer and gyroscope of more than 500 people, 95.7 %
across people at 0.6 false alarms in an hour of everyday data is published (arXiv 2203.15239). Nobody's taps are in an
open data set, so that all true events here are simulated, and so is every figure on them.

**What it does.** Acceleration and turning rate at 100 Hz, high-passed at 5 Hz, so that it matters little how the arm
lies or swings; a temporal convolution net over the last second, every 80 ms; a decoder. Decided within a quarter of a
second after the second tap rings out. Trained on people whose fingers differ as much as any may, so that those whose
ring is low, weak in turning or quickly repeated are found as well.

**Limits.** Over real motion of the whole arm hardly a tap of 0.05 to 0.4 g is found; that most are found in simulated
walks says more of the walks, which are smooth. So recall is counted while sitting, resting and looking at the watch;
rows of the table show the rest. A double pinch is a slow double tap to it, and is neither trained nor judged. A spoon
that knocks twice on a pot comes nearest to one, of what it was never trained on. Sensors slower than 100 Hz lose part
of the ring: of those at 52 Hz about half the taps are missed. The default uses no light: no open data shows what a tap
does to a real pulse; ``train(..., look=...)`` takes it where it was recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from wristkit.detector import Detector
from wristkit.events import EventDecoder
from wristkit.filters import Filter
from wristkit.recipes import hours, judging, shelf, spotting
from wristkit.recipes.spotting import Course, Say, Spotting
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
COURSE = Course(
    background=90,
    shaken=0.12,
    epochs=12,
    decoder=EventDecoder(refractory_s=1.0),
    grid=MappingProxyType({"smooth": (1, 2, 3), "low": (0.5, 0.3), "merge_s": (0.0, 0.16)}),
)


def default() -> Detector:
    """Return the detector that ships, trained by ``python3 -m wristkit.recipes double_tap``."""
    return shelf.shipped(NAME)


def simulate(seed: int, *, rate_hz: float = 100.0) -> Recording:
    """Return half a minute of a simulated person who sits, with three double taps."""
    return hours.seated(seed, [(NAME, at_s) for at_s in (6.0, 14.0, 22.0)], rate_hz=rate_hz)


def train(
    recordings: Callable[[], Iterable[Recording]],
    tuning: Callable[[], Iterable[Recording]],
    *,
    look: Spotting = SPOTTING,
    course: Course = COURSE,
    seed: int = 0,
    say: Say = str,
) -> Fit:
    """Return a fit on recordings with labels ``double_tap``, its decoder tuned on other people.

    Parameters
    ----------
    recordings, tuning
        Give recordings anew each time; each states where silence means that nothing happened, and its person. For
        one's own: ``lambda: [wk.load(...), ...]``, with :func:`wristkit.recipes.hours.lives` beside them or not.
    look
        How it is looked at; ``replace(SPOTTING, streams=("accel", "gyro", "ppg"))`` where light was recorded too.
    course
        How long, on how much, and what the decoder is chosen by.
    """
    return spotting.train_and_tune(look, recordings, tuning, course=course, seed=seed, say=say)


def simulated_and_real(*, people: int = 216, hours_each: float = 0.06) -> Iterator[Recording]:
    """Yield what the default is trained on: many short simulated lives, and simulated taps over real motion."""
    yield from hours.lives("train", count=people, hours=hours_each, per_hour=_TRAIN_PER_HOUR)
    yield from hours.real_with_gestures(
        ("double_tap", "double_tap", *SPOTTING.others), copies=2, wearers=people, warm_s=SPOTTING.length_s
    )


def to_tune_on(*, people: int = 8) -> Iterator[Recording]:
    """Yield what its decoder is tuned on: other simulated people, an hour of each."""
    yield from hours.lives("tune", count=people, hours=1.0, per_hour=hours.PER_HOUR)


def make_default(*, say: Say = str, into: Path = shelf.WEIGHTS) -> Path:
    """Train the default anew and write it; ``WRISTKIT_DATA`` holds the real motion that it is trained on."""
    return shelf.ship(train(simulated_and_real, to_tune_on, say=say).detector(), NAME, into=into)


def parts(detector: Detector | None = None, *, people: int = 50) -> list[Part]:
    """Return the rows of the table: simulated people of an hour each, taps injected into real motion, real hours."""
    judged = default() if detector is None else detector
    lives = hours.lives("test", count=people, hours=1.0, per_hour=hours.PER_HOUR)
    return [
        *judging.simulated_parts(judged, SPOTTING, lives),
        *judging.injected_parts(judged, SPOTTING),
        *judging.real_parts(judged, SPOTTING),
    ]


def judge(*, say: Say = str) -> pd.DataFrame:
    """Return the table of the default, say it and write it beside the default."""
    made = table(parts())
    shelf.ship_tables(NAME, table=made)
    say(made.to_string(float_format="{:.3g}".format))
    return made
