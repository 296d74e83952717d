"""A day for measuring what recipes cost: one simulated hour of life, again and again."""

import numpy as np

from wristkit.recording import Recording, Stream
from wristkit.simulate import life, people


def day_of(sensor, *, hours=24):
    """Return ``hours`` of motion, of which each is the same hour of a simulated life."""
    one = life(people(1, seed=77)[0], hours=1.0, seed=7, sensor=sensor)
    lasts_s = one.accel.stop_s + 1 / sensor.rate_hz
    time_s = np.concatenate([one.accel.time + lasts_s * place for place in range(hours)])
    streams = [Stream.measured(name, time_s, np.tile(one[name].values, (hours, 1))) for name in ("accel", "gyro")]
    return Recording.of(streams, wrist=one.wrist, crown=one.crown)
