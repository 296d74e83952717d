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
light has one rhythm: who moves has a pulse beside the rhythm of the motion. So each window's strongest rhythm is taken
out as motion would be, and what is left is tested for another. A single rhythm that looks like the pulse of a wrist
(blood comes faster than it goes; the fundamental is the strongest line) is followed into motion: up to two other
rhythms, which begin at once, are taken out with all their multiples, rates within 9 of a strong line count as hidden,
and a pulse keeps its size, so that a ridge more than 2.2 times as large has motion below it. A pulse that has not shown
for 5 s is not told, and after 60 s it is given up, as is one whose "cadence" changes as hearts do. In motion from the
start it stays silent. The first 8 s are not told, nor light that goes as fast as it comes, nor a surge. Confidence is
at most ``MOST_UNWITNESSED``.

On simulated people this tells 96 % of a rest (0.3 bpm), 46 % of a treadmill (1.1 bpm; 38 % of its motion) and 61 % of
crossings (1.1 bpm); the goal of 90 % is missed, as a run buries most pulses and a pulse that is lost is not found again
before a rest. In motion from the start 0.1 to 1.6 % of the seconds are told, all wrong.

**Limits.** Errors were measured on simulated light alone; on a real one there is agreement with a vendor's rate. Arms
that are thrown, as in jumping jacks, bury the pulse: it is told with less and less confidence for up to 30 s then, and
may be 30 too low. Of simulated seconds with a confidence of 0.9 and more 0.2 % are wrong by more than 10, of those
below 0.7 one in eight on a treadmill, and most in jumping jacks. From light alone, motion that begins at the rate of
the pulse may be exchanged with it for some 20 s; a pulse that a run buries is lost until rest. A rate that stays on the
cadence for minutes is not told. A lamp that flickers evenly is known as one by its sinusoid, beside an accelerometer
too; one with the shape of a pulse is not. Fast irregular rhythms are told as their mean over 8 s.
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
