"""What is given to a public function and is of the wrong kind is refused by its name, not from inside of a library."""

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from tests.exporting import detector
from wristkit.events import EventDecoder, event_table
from wristkit.recording.given import one_recording, several_recordings, told
from wristkit.simulate import people, session

GRID = {"streams": ("accel", "gyro"), "rate_hz": 20, "length_s": 2.0, "hop_s": 1.0}
PLAN = (("resting", 6), ("walking", 8))
TABLE = pd.DataFrame({"a": [1.0]})
JUNK = (None, 5, "x", b"x", {"x": 5}, np.zeros(3), TABLE, object(), [5], ["x"])


@pytest.fixture(scope="module")
def held():
    return [session(one, seed=place, plan=PLAN) for place, one in enumerate(people(2, seed=1))]


@pytest.fixture(scope="module")
def cut(held):
    return wk.windows(held, **GRID)


@pytest.fixture(scope="module")
def report(held):
    return wk.evaluate(event_table([]).assign(recording=""), held)


@pytest.mark.parametrize("given", JUNK, ids=told)
@pytest.mark.parametrize("take", [wk.inspect, wk.fuse, wk.deidentify, one_recording])
def test_what_is_no_recording_is_refused(take, given):
    with pytest.raises(TypeError, match=r"recording is .*, expected one Recording; load it with wristkit\.load"):
        take(given)


@pytest.mark.parametrize("given", JUNK, ids=told)
def test_what_holds_no_recordings_is_refused_wherever_several_are_taken(given, tmp_path, held):
    says = r"(one of )?recordings is .*, expected (one|a) Recording"
    takes = [
        lambda: wk.windows(given, **GRID),
        lambda: wk.evaluate(event_table([]), given),
        lambda: wk.view(given),
        lambda: wk.Conditioning.of(given, streams=("accel",), rate_hz=20),
        lambda: several_recordings(given),
    ]
    for take in takes:
        with pytest.raises(TypeError, match=says):
            take()
    for name, pair in {"reference": (given, held[0]), "other": (held[0], given)}.items():
        with pytest.raises(TypeError, match=f"{name} is .*, expected one Recording"):
            wk.align(*pair)
    with pytest.raises(TypeError, match=r"recording is .*, expected one Recording"):
        wk.save(given, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_recordings_come_as_a_list_however_they_are_given(held):
    assert several_recordings(held[0]) == held[:1]
    assert several_recordings(tuple(held)) == several_recordings(iter(held)) == held
    assert several_recordings([]) == []
    assert one_recording(held[0]) is held[0]


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"tier": TABLE}, TypeError, "tier is"),
        ({"tier": ["truth"]}, TypeError, "tier is"),
        ({"background": 5}, TypeError, "background is 5"),
        ({"background": ""}, ValueError, "background is ''"),
        ({"labels": TABLE}, ValueError, "labels is"),
        ({"frame": np.zeros(3)}, ValueError, "frame is"),
        ({"filters": None}, TypeError, "filters is None"),
        ({"streams": b"accel"}, TypeError, "streams is the text"),
        ({"length_s": 10**30}, ValueError, "length_s of 1e"),
        ({"hop_s": 10**30}, ValueError, "hop_s of 1e"),
    ],
)
def test_windows_are_asked_for_by_names_and_numbers(held, change, kind, says):
    with pytest.raises(kind, match=says):
        wk.windows(held, **{**GRID, **change})


@pytest.mark.parametrize("chosen", [5, None, "x", [0], np.zeros(3), np.array(["a"]), np.zeros((2, 2), dtype=int)])
def test_windows_are_chosen_by_places_or_a_mask(cut, chosen):
    with pytest.raises(TypeError, match=r"chosen is .*, expected an array"):
        cut.subset(chosen)


@pytest.mark.parametrize("settings", [[5], [None], (b"x",), np.zeros(3)])
def test_features_are_asked_for_by_name(cut, settings):
    with pytest.raises(TypeError, match=r"features name .*, expected text"):
        wk.features(cut, settings)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"decoder": 0}, TypeError, "decoder is a int"),
        ({"decoder": TABLE}, TypeError, "decoder is a DataFrame"),
        ({"tier": None}, TypeError, "tier is None"),
        ({"latency_from": TABLE}, ValueError, "latency_from is"),
    ],
)
def test_an_evaluation_is_asked_for_by_name(held, change, kind, says):
    with pytest.raises(kind, match=says):
        wk.evaluate(event_table([]).assign(recording=""), held, **change)


@pytest.mark.parametrize("fp_per_hour", [None, "x", [5], np.zeros(3), np.nan, -1, True])
def test_a_rate_of_alarms_is_a_number(report, fp_per_hour):
    with pytest.raises(ValueError, match=r"fp_per_hour is .*, expected 0 or more"):
        report.at(fp_per_hour=fp_per_hour)


@pytest.mark.parametrize("tier", [None, 5, ["truth"], TABLE])
def test_a_tier_is_a_name(held, report, tier):
    with pytest.raises(TypeError, match="tier is"):
        report.by_context(tier)
    with pytest.raises(TypeError, match="tier is"):
        wk.agreement(held[0].labels, tier=tier)
    with pytest.raises(TypeError, match="tier is"):
        wk.hard_negatives(wk.failures(report), tier=tier)


@pytest.mark.parametrize("around_s", [None, "x", [5], np.zeros(3), True])
def test_what_lies_around_an_alarm_is_seconds(report, around_s):
    with pytest.raises(TypeError, match=r"around_s is .*, expected a number of seconds"):
        wk.hard_negatives(wk.failures(report), around_s=around_s)


@pytest.mark.parametrize("given", JUNK, ids=told)
def test_tables_and_scores_are_of_their_kind(held, given):
    if not isinstance(given, pd.DataFrame):
        with pytest.raises(TypeError, match=r"failures are a .*, expected the table"):
            wk.gallery(given)
        with pytest.raises(TypeError, match=r"labels are a .*, expected a DataFrame"):
            wk.agreement(given)
        with pytest.raises(TypeError, match=r"findings are a|findings is"):
            wk.Recording.of([held[0].accel], findings=given if given is not None else 5)
    with pytest.raises(TypeError, match=r"scores are a .*, expected Scores"):
        EventDecoder().run(given)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"high": None}, "high is None"),
        ({"low": "x"}, "low is 'x'"),
        ({"high": np.zeros(3)}, "high is array"),
        ({"merge_s": None}, "merge_s is None"),
        ({"refractory_s": [5]}, r"refractory_s is \[5\]"),
        ({"min_length_s": np.inf}, "min_length_s is inf"),
    ],
)
def test_a_decoder_holds_numbers(change, says):
    with pytest.raises(ValueError, match=says):
        EventDecoder(**change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"events": [5]}, "events are a list, expected a table"),
        ({"scores": ["x"]}, "scores is a list, expected a dictionary"),
        ({"beside": 5}, "beside is 5, expected a dictionary"),
    ],
)
def test_a_viewer_is_given_tables_and_dictionaries(held, change, says):
    with pytest.raises(TypeError, match=says):
        wk.view(held[0], **change)


@pytest.mark.parametrize("tolerance_s", [None, "x", [5], TABLE, np.nan, -1])
def test_a_viewers_tolerance_is_a_number(held, tolerance_s):
    with pytest.raises(ValueError, match="tolerance_s is"):
        wk.view(held[0], tolerance_s=tolerance_s)


@pytest.mark.parametrize("within_s", ["x", [5], np.zeros(3), 0, -1, np.nan, True])
def test_an_alignment_looks_within_seconds(held, within_s):
    with pytest.raises(ValueError, match="within_s is"):
        wk.align(held[0], held[0], within_s=within_s)


@pytest.mark.parametrize("given", [None, "x", [5], np.zeros(3), TABLE])
def test_seconds_and_rates_of_streams_are_numbers(held, given):
    with pytest.raises(TypeError, match="expected numbers of seconds"):
        held[0].between(given, 5.0)
    with pytest.raises(ValueError, match="rate_hz is"):
        wk.Stream.uniform("audio", np.zeros(9), rate_hz=given)
    with pytest.raises(ValueError, match="start_s is"):
        wk.Stream.uniform("audio", np.zeros(9), rate_hz=9, start_s=given)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"labelled": [(0, 5)]}, TypeError, "labelled is a list, expected spans by tier"),
        ({"source": ["x"]}, TypeError, "source is a list, expected texts by name"),
        ({"start": "yesterday"}, ValueError, "start is 'yesterday', expected a time in UTC"),
        ({"start": np.inf}, ValueError, "start is inf"),
        ({"wrist": np.zeros(3)}, ValueError, "wrist is"),
        ({"crown": ["left"]}, ValueError, "crown is"),
    ],
)
def test_a_recording_is_made_of_streams_names_and_tables(held, change, kind, says):
    with pytest.raises(kind, match=says):
        wk.Recording.of([held[0].accel], **change)


def test_streams_come_in_a_list(held):
    with pytest.raises(TypeError, match="streams is a Stream, expected several; put it in a list"):
        wk.Recording.of(held[0].accel)
    with pytest.raises(TypeError, match="streams hold a str"):
        held[0].with_streams("accel")
    with pytest.raises(TypeError, match="labelled is a list"):
        held[0].with_labels(held[0].labels, labelled=[(0, 5)])


@pytest.mark.parametrize("zone", [(), b"Europe/Paris", 5])
def test_a_zone_is_a_name(zone):
    with pytest.raises(ValueError, match=r"zone is .*, expected a name such as"):
        wk.load("nothing", zone=zone)


@pytest.mark.parametrize("notes", [None, 5, "simulated"])
def test_notes_are_several(notes):
    with pytest.raises(TypeError, match=r"notes is .*, expected several"):
        wk.continuous_report([1.0, 2.0], [1.0, 2.5], notes=notes)


@pytest.mark.parametrize("given", JUNK, ids=told)
def test_a_detector_takes_recordings_and_windows(given):
    worn = detector(epochs=1)
    for take in (worn.detect, worn.scores, worn.condition):
        with pytest.raises(TypeError, match=r"recording is .*, expected one Recording"):
            take(given)
    with pytest.raises(TypeError, match=r"recordings is .*, expected (one|a) Recording"):
        worn.evaluate(given)
    with pytest.raises(TypeError, match=r"windows are .*, expected an array of float32 \(n, "):
        worn.probabilities(given)


@pytest.mark.parametrize("labelled", [5, b"x", [(0, 5)]])
def test_what_raters_looked_at_is_a_dictionary(held, labelled):
    both = pd.concat([held[0].labels, held[0].labels.assign(rater="other")], ignore_index=True)
    with pytest.raises(TypeError, match="labelled is"):
        wk.agreement(both, labelled=labelled)
