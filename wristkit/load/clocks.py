"""Two clocks beside each other: that of the wall, and the one since boot by which samples count."""

import numpy as np

from wristkit.load.gather import Nanoseconds, Remark

_LEAST_DRIFT_NS = 600 * 10**9


def of_jumps(
    boot_ns: Nanoseconds, wall_ns: Nanoseconds, *, above_ns: int, offset_ns: int, cause: str
) -> tuple[Remark, ...]:
    """Return what to say where the clock on the wall moved against that since boot by more than ``above_ns`` at once.

    ``offset_ns`` added to the time since boot gives that of the recording; ``cause`` is what such a jump may come from.
    """
    ahead = wall_ns - boot_ns
    steps = np.diff(ahead)
    at = np.flatnonzero(np.abs(steps) > above_ns)
    if not len(at):
        return ()
    span_ns = (int(boot_ns[at[0]]) + offset_ns, int(boot_ns[at[-1] + 1]) + offset_ns)
    note = (
        f"the clock on the wall moved by {steps[at].sum() / 1e9:+.3f} s against the time since boot in {len(at)} "
        f"places, over a range of {(ahead.max() - ahead.min()) / 1e9:.1f} s: {cause}; times count on by that since boot"
    )
    remedy = "trust times from the start; split the log there if the time of day matters"
    return (Remark("clock_jump", len(at), note, remedy, span_ns=span_ns),)


def of_drift(boot_ns: Nanoseconds, wall_ns: Nanoseconds, *, jumps_above_ns: int) -> tuple[Remark, ...]:
    """Return how fast the clock on the wall ran against that since boot, its jumps left out; nothing of a short time.

    Medians of the first and the last tenth of the pairs are compared, since some may have been written late.
    """
    steps = np.diff(wall_ns - boot_ns, prepend=wall_ns[0] - boot_ns[0])
    ahead, since_ns = np.cumsum(np.where(np.abs(steps) > jumps_above_ns, 0, steps)), boot_ns - boot_ns[0]
    tenth, apart_ns = max(len(ahead) // 10, 1), int(since_ns[-1])
    moved_ns, between_ns = (float(np.median(one[-tenth:]) - np.median(one[:tenth])) for one in (ahead, since_ns))
    if apart_ns < _LEAST_DRIFT_NS or between_ns <= 0:  # the latter of stamps that go back, which are refused elsewhere
        return ()
    ppm = moved_ns / between_ns * 1e6
    note = f"the clock on the wall ran {ppm:+.1f} ppm against the time since boot over {apart_ns / 6e10:.0f} minutes"
    return (Remark("clock_drift", 1, note, "align before comparing with another device"),)
