"""Heart rate at the wrist or the finger under motion: beats a minute each second from light, with a confidence.

**What is known.** Light that comes back from the skin falls with each pulse of blood, and with each push of the watch
against it. Zhang (TROIKA, 2015, doi 10.1109/TBME.2014.2359372) and Temko (2017, doi 10.1109/TBME.2017.2676243) take
what the accelerometer explains out of 8 s of light and look for the rate in the spectrum of the rest; Bieri and others
(BeliefPPG, 2023, arXiv 2306.07730) track it as a probability over rates, from which a confidence follows.

**What it does.** The light and the acceleration, at their own measured rates, are brought to 25 Hz. Eight seconds
around each whole second are a linear model of drift, of motion (each axis, the length, and all products of two axes, at
five delays) and of a pulse with two harmonics; its evidence is computed for every rate from 30 to 220. A hidden Markov
model over rates follows it and is read 3 s later. ``DELAY_S`` of signal after a second are needed (7.3 s, of which 4
are half a window); ``Tracker`` gives the same rows from packets as ``estimate`` does from a recording.

**Where it differs from those, and why.** Motion is taken out as one least-squares fit of each window and not by a
Wiener filter or an adaptive filter of many windows: it keeps the phase, so that a pulse near the cadence stays; it
needs no history, so that any partition gives the same rows; and samples that are missing cost nothing but themselves.
Products of axes are among the references, as light does not follow a push linearly. Rates of which motion leaves no
trace, harmonic by harmonic, count as unseen and not as absent: the tracker coasts over a crossing and does not stay on
the cadence. A harmonic counts only beside its fundamental, so that half and double rates do not. Evidence is exact
under normal noise and then tempered, as windows overlap and noise is not normal. Page's test (1954) on how well the
track foretells the next window decides whether there is a pulse at all. The belief is smoothed over 3 s and not over
the whole recording, since a watch cannot wait. Nothing is trained. Several wavelengths are weighted by their evidence
(as Temko averages them), not separated into sources: one that sees no pulse does not harm.

**Light alone.** Where nothing was recorded of motion, or by an accelerometer that is stuck, a rate is told while the
light has one rhythm: who moves has a pulse beside the rhythm of the motion, and which of two is the heart's cannot be
known. So each window's strongest rhythm is taken out as motion would be, and what is left is tested for another. The
first 8 s are not told, nor the minute or so after motion, nor light that goes as fast as it comes, nor a surge. On
simulated people this tells 95 % of a rest, and next to nothing of a walk or a run; confidence is at most
``MOST_UNWITNESSED``. Where the motion is so strong that no pulse is seen beside it, it is still taken for one.

**Limits.** Errors were measured on simulated light alone; on a real one there is agreement with a vendor's rate. A
light that flickers evenly beside a working accelerometer is taken for a pulse. Arms that are thrown, as in jumping
jacks, bury the pulse: the rate of before is kept, up to 60 too low, with a confidence of 0.8. A rate that stays on the
cadence for minutes is coasted over with falling confidence. Fast irregular rhythms are told as their mean over 8 s.
Nothing here is a diagnosis.
"""

from wristkit.recipes.heart_rate.beats import LEAST_QUALITY, peaks, variability
from wristkit.recipes.heart_rate.offline import estimate, explain, findings
from wristkit.recipes.heart_rate.tracker import DELAY_S, LEAST_CONFIDENCE, MOST_UNWITNESSED, Tracker

__all__ = [
    "DELAY_S",
    "LEAST_CONFIDENCE",
    "LEAST_QUALITY",
    "MOST_UNWITNESSED",
    "Tracker",
    "estimate",
    "explain",
    "findings",
    "peaks",
    "variability",
]
