"""Training: people kept apart, the same weights for the same seed in fresh processes, no learning of identity."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wristkit.recording import Recording, Stream, label_table
from wristkit.train import augment, macro_f1, quick_train
from wristkit.windows import Windows, split_people, windows

LABELS = ("still", "shake")


def make_person(number: int, *, labels: tuple[str, ...] = LABELS, identity_only: bool = False) -> Recording:
    """A person whose classes differ in how much the wrist moves; or in nothing but who it is."""
    rng = np.random.default_rng(number)
    time_s = np.arange(0, 48, 0.02)
    place = (time_s // 6).astype(int) % len(labels)
    loud = np.ones(len(time_s)) if identity_only else 0.05 + place * 1.5
    hum = np.sin(2 * np.pi * (1 + number) * time_s) if identity_only else 0.0
    values = rng.normal(size=(len(time_s), 3)) * loud[:, None] * 0.3 + np.asarray(hum)[..., None]
    label_of = rng.permutation(len(labels))[place] if identity_only else place
    rows = [(6.0 * k, 6.0 * k + 6.0, labels[label_of[k * 300]], "truth", "made") for k in range(8)]
    return Recording.of([Stream.measured("accel", time_s, values)], labels=label_table(rows), subject=f"p{number}")


def make_windows(count: int = 6, **person) -> Windows:
    held = [make_person(number, **person) for number in range(count)]
    return windows(held, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4)


def test_it_learns_and_says_for_whom() -> None:
    made = make_windows()
    fit = quick_train(made, epochs=6)
    assert fit.macro_f1 > 0.95
    assert set(fit.held_out["subject"]) == set(fit.held_out_subjects)
    assert not set(fit.held_out_subjects) & (set(fit.split.train) | set(fit.split.stop))
    columns = ["recording", "subject", "fold", "start_s", "stop_s", "truth", "predicted", *fit.classes]
    assert list(fit.held_out.columns) == columns
    np.testing.assert_allclose(fit.held_out[list(fit.classes)].sum(axis=1), 1, atol=1e-5)
    assert fit.history["epoch"].tolist() == list(range(1, len(fit.history) + 1))
    assert fit.history["train_loss"].iloc[-1] < fit.history["train_loss"].iloc[0]
    seen = set(fit.spec.trained_on)
    assert seen == set(made.recordings[~np.isin(made.subjects.astype(str), fit.held_out_subjects)])
    detector = fit.detector()
    assert detector.spec.conditioning == made.conditioning
    assert (detector.spec.length, detector.spec.hop) == (50, 10)


def test_held_out_people_change_nothing_of_the_fit() -> None:
    """Whatever was measured on the held-out people, the weights, the thresholds and the history are the same."""
    made = make_windows()
    fit = quick_train(made, epochs=2)
    touched = np.isin(made.subjects.astype(str), fit.held_out_subjects)
    values = made.values.copy()
    values[touched] = 7.0
    other = dataclasses.replace(made, values=values)
    again = quick_train(other, epochs=2)
    assert again.held_out_subjects == fit.held_out_subjects
    assert again.weights_sha256 == fit.weights_sha256
    assert again.spec == fit.spec
    assert again.history.equals(fit.history)


SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
import test_train
from wristkit.train import quick_train
fit = quick_train(test_train.make_windows(5), epochs=2, seed=3)
print(fit.weights_sha256, fit.threads)
"""


def test_the_same_seed_gives_the_same_weights_in_fresh_processes() -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    printed = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in "ab"
    ]
    sha256, threads = printed[0].split()
    assert printed[0] == printed[1]
    assert (len(sha256), threads) == (64, "1")
    assert quick_train(make_windows(5), epochs=2, seed=4).weights_sha256 != sha256


def test_training_leaves_torch_as_it_was() -> None:
    import torch

    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    quick_train(make_windows(4), epochs=1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(3), wanted)


def test_who_someone_is_says_nothing_about_others() -> None:
    """A canary: where only identity is in the signal, a subject-blind split would score high and this must not."""
    fit = quick_train(make_windows(8, identity_only=True), epochs=4)
    truth = fit.held_out["truth"]
    most_common = truth.value_counts(normalize=True).max()
    assert (fit.held_out["predicted"] == truth).mean() < most_common + 0.2


@pytest.mark.parametrize(("count", "says"), [(1, "nobody is held out"), (2, "no one is left"), (3, "no one is left")])
def test_with_too_few_people_it_says_what_it_did(count: int, says: str) -> None:
    fit = quick_train(make_windows(count), epochs=2)
    assert says in fit.notes[0]
    assert says.partition(" ")[0] in repr(fit)
    assert fit.history["stop_loss"].isna().all()
    assert len(fit.held_out_subjects) == (count > 1)
    assert np.isnan(fit.macro_f1) == (count == 1)


def test_one_class_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="expected two or more"):
        quick_train(make_windows(4, labels=("still",)))


@pytest.mark.parametrize(("changes", "says"), [({"epochs": 0}, "expected 1 or more"), ({"model": "mlp"}, "mlp")])
def test_wrong_arguments_are_named(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        quick_train(make_windows(4), **changes)


def test_a_fit_on_simulated_people_says_so() -> None:
    people = [
        Recording.of(list(one.streams.values()), labels=one.labels, subject=one.subject, source={"format": "simulated"})
        for one in (make_person(number) for number in range(4))
    ]
    made = windows(people, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4)
    assert "4 of 4 recordings are simulated" in repr(quick_train(made, epochs=1))


def test_a_loss_that_is_no_number_is_named() -> None:
    made = make_windows(4)
    stop = split_people(made, seed=0).stop
    values = made.values.copy()
    values[np.isin(made.subjects.astype(str), stop)] = np.nan
    with pytest.raises(ValueError, match="never a number"):
        quick_train(dataclasses.replace(made, values=values), epochs=1)


def test_the_background_keeps_its_name_and_is_no_event() -> None:
    held = [
        one.with_labels(one.labels[one.labels["label"] == "shake"], labelled={"truth": [(0.0, 48.0)]})
        for one in (make_person(number) for number in range(4))
    ]
    made = windows(held, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4, background="silence")
    detector = quick_train(made, epochs=2).detector()
    assert detector.spec.background == "silence"
    assert "silence" not in set(detector.detect(held[0])["label"])


def test_a_class_named_like_a_column_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match=r"classes \['truth'\] have the names of columns"):
        quick_train(make_windows(4, labels=("truth", "shake")))


def test_a_spike_in_training_is_named() -> None:
    made = make_windows(4)
    values = made.values.copy()
    values[np.flatnonzero(made.subjects == quick_train(made, epochs=1).split.train[0])[0], 1, 5] = 1e30
    notes = quick_train(dataclasses.replace(made, values=values), epochs=1).notes
    assert any("['accel_y'] hold spikes" in note for note in notes)
    assert not any("spikes" in note for note in quick_train(made, epochs=1).notes)


def test_there_is_no_keyword_for_a_subject_blind_split() -> None:
    import inspect

    parameters = inspect.signature(quick_train).parameters
    assert list(parameters) == ["windows", "model", "epochs", "seed"]


def test_augmentation_keeps_lengths_and_handedness() -> None:
    time_s = np.arange(0, 20, 0.02)
    rng = np.random.default_rng(0)
    streams = [Stream.measured(name, time_s, rng.normal(size=(len(time_s), 3))) for name in ("accel", "gyro")]
    streams.append(Stream.measured("ppg", time_s, rng.normal(size=len(time_s))))
    recording = Recording.of(streams, labels=label_table([(0.0, 20.0, "a", "truth", "t")]), subject="a")
    made = windows(recording, streams=("accel", "ppg", "gyro"), rate_hz=50, length_s=1.0, hop_s=0.5)
    varied = augment(made.values, made.conditioning, np.random.default_rng(1))
    for columns in (slice(0, 3), slice(4, 7)):
        lengths = np.linalg.norm(made.values[:, columns], axis=1)
        np.testing.assert_allclose(np.linalg.norm(varied[:, columns], axis=1), lengths, rtol=1e-4)
    np.testing.assert_array_equal(varied[:, 3], made.values[:, 3])
    assert not np.allclose(varied[:, :3], made.values[:, :3], atol=0.1)
    # gyro x accel must turn as accel does, on a mirrored wrist, too: its part along a third vector times accel is kept
    before = np.einsum(
        "ncs,ncs->ns", np.cross(made.values[:, 4:], made.values[:, :3], axis=1), np.roll(made.values[:, :3], 1, 2)
    )
    after = np.einsum("ncs,ncs->ns", np.cross(varied[:, 4:], varied[:, :3], axis=1), np.roll(varied[:, :3], 1, 2))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_macro_f1_counts_the_classes_that_occur() -> None:
    assert macro_f1(["a", "a", "b"], ["a", "a", "c"]) == pytest.approx(0.5)
    assert np.isnan(macro_f1([], []))
