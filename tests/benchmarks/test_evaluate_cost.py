"""What the curve over all thresholds costs beside one sort of the scores."""

import statistics
import time

import numpy as np
import pytest

from wristkit.evaluate import evaluate, stack
from wristkit.events import EventDecoder, Scores
from wristkit.recording import Recording, Stream, label_table

pytestmark = pytest.mark.benchmark
HOP_S, BURSTS_AN_HOUR, TRUTHS_AN_HOUR = 0.1, 120, 30


def ordinary_life(hours, classes):
    """Return scores at 10 Hz, quiet but for a burst of one class twice a minute, and a recording with true events."""
    rng = np.random.default_rng(0)
    count, span_s = 36_000 * hours, 3600.0 * hours
    logits = rng.normal(0, 1.2, size=(count, classes)).astype(np.float32)
    logits[:, 0] += 5
    for row in rng.integers(0, count - 30, size=BURSTS_AN_HOUR * hours):
        logits[row : row + rng.integers(2, 15), rng.integers(1, classes)] += rng.uniform(2, 9)
    values = np.exp(logits)
    values /= values.sum(axis=1, keepdims=True)
    names = ("none", *(f"class_{number}" for number in range(1, classes)))
    centre_s = np.arange(count) * HOP_S
    scores = Scores.of(centre_s + 0.5, values, classes=names, centre_s=centre_s, hop_s=HOP_S, window_s=1.0)
    starts = rng.uniform(5, span_s - 5, size=TRUTHS_AN_HOUR * hours)
    rows = [(one, one + 0.8, names[1 + k % (classes - 1)], "truth", "me") for k, one in enumerate(starts.tolist())]
    time_s = np.arange(0, span_s + 1, 0.5)
    recording = Recording.of(
        [Stream.measured("ppg", time_s, rng.normal(size=len(time_s)))],
        labels=label_table(rows),
        labelled={"truth": [(0.0, span_s)]},
        subject="a",
    )
    return scores, recording


def cpu(work):
    before = time.process_time()
    work()
    return time.process_time() - before


def ratio_of(scores, recording, decoder, *, rounds):
    """Return the median ratio, and seconds of curve and sort, of interleaved rounds."""
    report = evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)
    flat = np.ascontiguousarray(scores.values).ravel()
    report.curve()
    pairs = []
    for _ in range(rounds):
        del report.__dict__["_curve"]
        pairs.append((cpu(report.curve), cpu(lambda: np.sort(flat))))
    curve, sort = (statistics.median(column) for column in zip(*pairs, strict=True))
    return curve / sort, curve, sort


@pytest.mark.parametrize(("hours", "classes"), [(1, 2), (1, 4), (24, 2), (24, 4), (72, 4)])
def test_the_curve_beside_one_sort(hours, classes, benchmark_row):
    scores, recording = ordinary_life(hours, classes)
    ratio, curve, sort = ratio_of(scores, recording, EventDecoder(high=0.8, low=0.4), rounds=9 if hours > 1 else 51)
    note = f"curve {curve * 1e3:.2f} ms, np.sort of all scores {sort * 1e3:.2f} ms of CPU; bound 3"
    benchmark_row(f"curve over all thresholds, {hours} h of {classes} classes at 10 Hz", f"{ratio:.2f}x", note)
    assert ratio <= 3


@pytest.mark.parametrize(
    "fields",
    [{"smooth": 3}, {"refractory_s": 2.0}, {"min_length_s": 0.3, "merge_s": 0.3}],
    ids=lambda one: next(iter(one)),
)
def test_the_curve_of_other_decoders_beside_one_sort(fields, benchmark_row):
    scores, recording = ordinary_life(24, 4)
    ratio, curve, sort = ratio_of(scores, recording, EventDecoder(high=0.8, low=0.4, **fields), rounds=7)
    note = f"24 h of 4 classes: curve {curve * 1e3:.2f} ms, np.sort {sort * 1e3:.2f} ms of CPU; bound 3"
    benchmark_row(f"curve with {fields}", f"{ratio:.2f}x", note)
    assert ratio <= 3


def noise(hours, classes, *, smooth_s=0.0, number=0):
    """Return scores at 10 Hz that are noise, so that about every fourth begins an event, or change each few minutes."""
    rng = np.random.default_rng(number)
    count, span_s = round(36_000 * hours), 3600.0 * hours
    values = rng.gamma(0.6, size=(count, classes)).astype(np.float32)
    if smooth_s:
        steps = round(smooth_s / HOP_S)
        values[np.arange(count), rng.integers(0, classes, size=count // steps + 1).repeat(steps)[:count]] += 20
    values /= values.sum(axis=1, keepdims=True)
    names = ("none", *(f"class_{one}" for one in range(1, classes)))
    centre_s = np.arange(count) * HOP_S
    scores = Scores.of(centre_s + 0.5, values, classes=names, centre_s=centre_s, hop_s=HOP_S, window_s=1.0)
    starts = rng.uniform(5, span_s - 5, size=round(TRUTHS_AN_HOUR * hours))
    rows = [(one, one + 0.8, names[1 + k % (classes - 1)], "truth", "me") for k, one in enumerate(starts.tolist())]
    time_s = np.arange(0, span_s + 1, 0.5)
    return scores, Recording.of(
        [Stream.measured("ppg", time_s, rng.normal(size=len(time_s)))],
        labels=label_table(rows),
        labelled={"truth": [(0.0, span_s)]},
        subject=f"p{number}",
    )


SHAPES = {
    "200k short events of one class": ([(24, 2, 0.0)], {}),
    "450k short events of three classes": ([(24, 4, 0.0)], {}),
    "450k short events, smoothed": ([(24, 4, 0.0)], {"smooth": 3}),
    "few events of minutes": ([(24, 4, 300.0)], {}),
    "six recordings of 4 h, 450k short events": ([(4, 4, 0.0)] * 6, {}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_curve_of_few_and_very_many_events_beside_one_sort(shape, benchmark_row):
    sizes, fields = SHAPES[shape]
    made = [noise(hours, classes, smooth_s=long, number=one) for one, (hours, classes, long) in enumerate(sizes)]
    decoder = EventDecoder(high=0.8, low=0.4, **fields)
    scores, recordings = {one.id: score for score, one in made}, [one for _, one in made]
    report = evaluate(stack({}), recordings, scores=scores, decoder=decoder)
    flat = np.concatenate([one.values.ravel() for one in scores.values()])
    rows = len(report.curve())
    pairs = []
    for _ in range(15):
        del report.__dict__["_curve"]
        pairs.append((cpu(report.curve), cpu(lambda: np.sort(flat))))
    curve, sort = (min(column) for column in zip(*pairs, strict=True))  # one is bound by memory, which others use too
    note = f"{rows} thresholds: curve {curve * 1e3:.1f} ms, np.sort {sort * 1e3:.1f} ms of CPU; bound 3"
    benchmark_row(f"curve of {shape}", f"{curve / sort:.2f}x", note)
    assert curve / sort <= 3


def test_the_curve_of_classes_that_block_each_other_costs_what_each_threshold_changes(benchmark_row):
    """Noise that never pauses, so that all of it hangs together: four times as long takes about four times as long."""
    decoder, taken = EventDecoder(high=0.8, low=0.3, refractory_s=2.0, refractory_any_s=1.0), []
    for hours in (0.5, 2.0):
        scores, recording = noise(hours, 4)
        report = evaluate(stack({}), recording, scores=scores, decoder=decoder)
        taken.append((cpu(report.curve), len(report.curve())))
    (short, _), (long, rows) = taken
    run = cpu(lambda: decoder.run(scores))
    note = f"2 h, {rows} thresholds: {long:.2f} s CPU, {long / run:.0f} times one decoding"
    benchmark_row("curve across classes: 2 h beside 30 min", f"{long / short:.1f}x", f"{note}; bound 8")
    assert long < 8 * short


def test_classes_that_block_each_other_are_decoded_in_about_the_time_of_others(benchmark_row):
    """Twice as long takes twice as long, and window by window many times that."""
    scores, _ = noise(4, 4)
    half = scores.between(0, scores.time[len(scores) // 2])
    free, across = (EventDecoder(high=0.5, low=0.3, refractory_any_s=one) for one in (0.0, 1.0))
    state = across.start(scores.channels, hop_s=scores.hop_s)
    pushed = cpu(lambda: state.push(scores.centre_s, scores.time, scores.values))
    rounds = [
        [cpu(lambda one=one: one[0].run(one[1])) for one in ((across, half), (across, scores), (free, scores))]
        for _ in range(5)
    ]
    short, whole, alone = (statistics.median(column) for column in zip(*rounds, strict=True))
    run_ms = f"run {whole * 1e3:.0f} ms, half of it {short * 1e3:.0f} ms; free {alone * 1e3:.0f} ms"
    note = f"4 h: push {pushed * 1e3:.0f} ms, {run_ms} of CPU; bounds 4, and 3 times the half"
    benchmark_row("decoder across classes: run beside push", f"{pushed / whole:.0f}x", note)
    assert whole < 3 * short
    assert pushed > 4 * whole


def test_decoding_half_a_day_at_once_beside_window_by_window(benchmark_row):
    scores, _ = ordinary_life(12, 4)
    decoder = EventDecoder(high=0.8, low=0.4)
    pairs = []
    for _ in range(3):
        state = decoder.start(scores.channels, hop_s=scores.hop_s)
        pushed = cpu(lambda state=state: state.push(scores.centre_s, scores.time, scores.values))
        pairs.append((pushed, cpu(lambda: decoder.run(scores))))
    pushed, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
    note = f"half a day: push {pushed * 1e3:.0f} ms, run {whole * 1e3:.1f} ms of CPU; bound 10"
    benchmark_row("decoder: run beside push", f"{pushed / whole:.0f}x", note)
    assert pushed > 10 * whole
