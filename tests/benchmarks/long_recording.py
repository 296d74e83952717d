"""More than a day on a wrist, made by a seeded generator, and the same motion as users show it by ipympl."""

import time
from typing import Any

import numpy as np

import wristkit as wk
from wristkit.recording import label_table
from wristkit.view import envelope

SAMPLES, RATE_HZ = 10_000_000, 100.0
SOUND_START_S, SOUND_SAMPLES, SOUND_HZ = 43_200.0, 9_600_000, 16_000.0
HOLES_S = (20_000.0, 70_000.0)  # the watch lies on its charger
HOLE_S = 900.0
POINTS = 1800  # of each line of the peer, as many as its figure has room for
ZOOM = 0.0022 * 300  # what one turn of the wheel does to the window in both, as a natural logarithm


def long_recording(*, samples: int = SAMPLES, sound_samples: int = SOUND_SAMPLES) -> wk.Recording:
    """Return motion of six channels on jittered stamps, pulse wave, heart rate, ten minutes of sound, and labels."""
    rng = np.random.default_rng(0)
    time_s = _stamps(rng, samples, RATE_HZ)
    active = _bouts(rng, time_s)
    accel = wk.Stream.measured("accel", time_s, _motion(rng, time_s, active, rest=(0.1, -0.3, -0.94), swing=0.4))
    gyro = accel.with_values("gyro", _motion(rng, time_s, active, rest=(0.0, 0.0, 0.0), swing=2.0))
    end_s = float(time_s[-1])
    slow_s = np.arange(0, end_s, 1 / 64)
    beat = np.sin(2 * np.pi * 1.2 * slow_s, dtype=np.float32) ** 3 + np.sin(slow_s / 4, dtype=np.float32)
    pulse = wk.Stream.measured("ppg", slow_s, beat + 0.05 * rng.standard_normal(len(slow_s), np.float32), unit="1")
    second_s = np.arange(0, end_s, 1.0)
    rate = 70 + 12 * np.sin(second_s / 900) + rng.normal(0, 1.5, len(second_s))
    loud = np.repeat(rng.random(sound_samples // 8000 + 1, dtype=np.float32) ** 4, 8000)[:sound_samples]
    sound = wk.Stream.uniform(
        "audio",
        0.2 * loud * rng.standard_normal(sound_samples, np.float32),
        rate_hz=SOUND_HZ,
        start_s=min(SOUND_START_S, end_s / 2),
    )
    starts_s = np.sort(rng.uniform(0, end_s - 60, 200))
    rows = [(start, start + (0.2 if k % 2 else 30.0), "tap" if k % 2 else "wash") for k, start in enumerate(starts_s)]
    return wk.Recording.of(
        [accel, gyro, pulse, wk.Stream.measured("heart_rate", second_s, rate), sound],
        labels=label_table([(*row, "truth", "me") for row in rows]),
        subject="P01",
    )


def _stamps(rng: np.random.Generator, count: int, rate_hz: float) -> np.ndarray:
    """Return the seconds of samples of a clock that jitters by a tenth of a millisecond and stops in each hole."""
    time_s = np.arange(count) / rate_hz
    time_s += rng.uniform(0, 1e-4, count)
    for hole_s in HOLES_S:
        time_s[time_s > hole_s] += HOLE_S
    return time_s


def _bouts(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """Return how much somebody moves at each sample, 0 to 1: a new level each half minute, most of them still."""
    levels = rng.random(int(time_s[-1] / 30) + 2) ** 6
    return np.interp(time_s, 30.0 * np.arange(len(levels)), levels).astype(np.float32)


def _motion(
    rng: np.random.Generator, time_s: np.ndarray, active: np.ndarray, *, rest: tuple[float, ...], swing: float
) -> np.ndarray:
    """Return (n, 3) of a wrist that turns slowly, steps at two a second while active, trembles and is knocked."""
    values = np.empty((len(time_s), len(rest)), np.float32, order="F")  # one channel after another, as loaders give it
    knocks = rng.integers(0, len(time_s), len(time_s) // 20_000)
    for channel, level in enumerate(rest):
        column = values[:, channel]
        column[:] = 0.01 * rng.standard_normal(len(time_s), np.float32)
        column += level + 0.2 * swing * np.sin(time_s / (37 + 11 * channel), dtype=np.float64).astype(np.float32)
        column += swing * active * np.sin(2 * np.pi * (1.9 + 0.1 * channel) * time_s).astype(np.float32)
        column[knocks] += 4 * swing
    return values


class ShownByIpympl:
    """Six lines in two axes; ipympl has no zoom by the wheel alone: it is four lines of a handler, as users write them.

    ``thinned`` they are made anew by our own envelope at each change of the limits; else all samples are plotted once,
    and matplotlib simplifies their paths.
    """

    def __init__(self, recording: wk.Recording, *, width_pixels: int, height_pixels: int, thinned: bool) -> None:
        import matplotlib.pyplot as plt

        self.streams, self.span_s = [recording["accel"], recording["gyro"]], (recording.start_s, recording.stop_s)
        self.drawings = 0
        size = (width_pixels / 100, height_pixels / 100)
        self.figure, self.axes = plt.subplots(len(self.streams), sharex=True, figsize=size, dpi=100)
        self.figure.subplots_adjust(left=0.05, right=0.98, top=0.97, bottom=0.1, hspace=0.08)
        none = slice(0) if thinned else slice(None)
        self.lines = [
            axes.plot(stream.time[none], stream.values[none], linewidth=1)
            for axes, stream in zip(self.axes, self.streams, strict=True)
        ]
        self.axes[0].set_xlim(*self.span_s)
        change = self.thin if thinned else self.draw
        change(self.axes[0])
        self.axes[0].callbacks.connect("xlim_changed", change)
        self.figure.canvas.mpl_connect("scroll_event", self.zoom)
        self.figure.canvas.capture_scroll = True
        self.figure.canvas.header_visible = False
        self.figure.canvas.toolbar.pan()

    def thin(self, axes: Any) -> None:
        """Give each line what the window shows of it: all samples where they are few, else two of each bin."""
        start_s, stop_s = axes.get_xlim()
        for own, stream, lines in zip(self.axes, self.streams, self.lines, strict=True):
            first, last = np.searchsorted(stream.time, [start_s, stop_s])
            time_s, values = stream.time[first:last], stream.values[first:last]
            if len(time_s) > POINTS:
                centres_s, low, high = envelope(
                    stream.time, stream.values, start_s=start_s, stop_s=stop_s, bins=POINTS // 2
                )
                time_s = np.repeat(centres_s, 2)
                values = np.stack([low, high], axis=1).reshape(len(time_s), -1)
            for line, column in zip(lines, values.T, strict=True):
                line.set_data(time_s, column)
            own.relim()
            own.autoscale_view(scalex=False)
        self.draw(axes)

    def draw(self, _axes: Any) -> None:
        """Ask for a picture of the new window."""
        self.drawings += 1
        self.figure.canvas.draw_idle()

    def zoom(self, event: Any) -> None:
        """Zoom about the pointer."""
        if event.xdata is None:
            return
        start_s, stop_s = self.axes[0].get_xlim()
        factor = np.exp(-ZOOM * np.sign(event.step))
        width_s = min(factor * (stop_s - start_s), self.span_s[1] - self.span_s[0])
        first_s = event.xdata - (event.xdata - start_s) * factor
        first_s = min(max(first_s, self.span_s[0]), self.span_s[1] - width_s)
        self.axes[0].set_xlim(first_s, first_s + width_s)


def median_cpu_s(work: Any, *, runs: int) -> float:
    """Return the median CPU seconds of one call."""
    taken = []
    for _ in range(runs):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return float(np.median(taken))
