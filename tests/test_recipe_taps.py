"""Which sensors double tap is trained and tuned on: fast ones, slow ones, and fast ones made slow."""

import numpy as np
import pytest

from wristkit.recipes import double_tap, hours
from wristkit.recording import Recording, Stream, label_table

RATE_HZ = 104.0  # as SP-SW-HAR has it


def waved(*, slow_hz: float, fast_hz: float, rate_hz: float = RATE_HZ, span_s: float = 20.0) -> Recording:
    """Return a slow and a fast wave of one size in every channel, and one label."""
    time_s = np.arange(round(span_s * rate_hz)) / rate_hz
    wave = np.sin(2 * np.pi * slow_hz * time_s) + np.sin(2 * np.pi * fast_hz * time_s)
    streams = [Stream.measured(name, time_s, np.stack([wave] * 3, axis=1)) for name in ("accel", "gyro")]
    made = Recording.of(streams, subject="somebody")
    labels = label_table([(5.0, 5.4, "double_tap", "truth", "r")])
    return made.with_labels(labels, labelled={"truth": [(1.0, 19.0)]})


def size_at(stream: Stream, wave_hz: float) -> float:
    """Return the amplitude of a wave away from the ends, by least squares."""
    held = stream.between(2.0, 18.0)
    turn = 2 * np.pi * wave_hz * np.asarray(held.time)
    parts, *_ = np.linalg.lstsq(np.column_stack([np.sin(turn), np.cos(turn)]), np.asarray(held.values), rcond=None)
    return float(np.hypot(*parts[:, 0]))


def test_a_slow_sensor_gives_what_its_rate_holds_and_nothing_above():
    fast = waved(slow_hz=12.0, fast_hz=37.0)
    slow = hours.slower(fast, rate_hz=50.0)
    for name in ("accel", "gyro"):
        assert slow[name].rate_hz == pytest.approx(50.0, rel=1e-6)
        assert size_at(slow[name], 12.0) == pytest.approx(1.0, abs=0.03)
        assert size_at(slow[name], 50.0 - 37.0) < 0.03  # where it would fold to
    assert slow.id != fast.id
    assert (slow.subject, slow.labelled.keys()) == (fast.subject, fast.labelled.keys())
    assert slow.labels.equals(fast.labels)


def test_every_so_manieth_recording_of_a_fast_sensor_is_made_slow():
    fast, slow = waved(slow_hz=3.0, fast_hz=11.0), waved(slow_hz=3.0, fast_hz=11.0, rate_hz=52.0)
    given = [fast, fast, fast, slow, slow, fast, fast, fast]
    made = list(hours.some_slow(iter(given), every=3))
    same = [one.id == other.id for one, other in zip(made, given, strict=True)]
    assert same == [False, True, True, True, True, True, False, True]
    low, high = hours._SLOW_HZ
    rates = [one["accel"].rate_hz for one, is_same in zip(made, same, strict=True) if not is_same]
    assert all(low - 1 < one < high + 1 for one in rates)
    assert abs(rates[0] - rates[1]) > 0.1
    assert [one.id for one in made] == [one.id for one in hours.some_slow(given, every=3)]


def test_a_default_is_trained_on_slow_copies_of_lives_and_of_real_motion(monkeypatch):
    asked = []

    def trained_on(*given, **how):
        asked.append((given, how))
        return iter([waved(slow_hz=3.0, fast_hz=11.0)] * 4)

    monkeypatch.setattr(hours, "to_train_on", trained_on)
    rates = [one["accel"].rate_hz for one in double_tap.to_train_on()]
    assert [one > 100 for one in rates] == [False, True, True, False]
    ((_, how),) = asked
    assert how["warm_s"] == double_tap.SPOTTING.length_s


def test_a_threshold_is_tuned_on_the_same_hours_at_both_rates(monkeypatch):
    lived = [waved(slow_hz=3.0, fast_hz=11.0), waved(slow_hz=4.0, fast_hz=12.0)]
    monkeypatch.setattr(hours, "to_tune_on", lambda: iter(lived))
    given = list(hours.to_tune_on_fast_and_slow())
    assert [round(one["accel"].rate_hz) for one in given] == [104, 50, 104, 50]
    assert [one.id for one in given[::2]] == [one.id for one in lived]


def test_gestures_over_real_motion_may_lie_closer_than_in_the_test(monkeypatch):
    plain = double_tap.simulate(seed=6)
    still = plain.with_labels(plain.labels.iloc[:0])
    monkeypatch.setattr(hours, "real_hours", lambda part: [still])
    counts = [
        [
            int((one.labels["tier"] == "truth").sum())
            for one in hours.real_with_gestures(("double_tap",), copies=2, wearers=3, warm_s=1.0, crowded=crowded)
        ]
        for crowded in (1, 2)
    ]
    assert counts == [[hours.room_for(still)] * 2, [2 * hours.room_for(still)] * 2]
