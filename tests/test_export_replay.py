"""A device's log against Python: nothing is found where nothing is wrong, and each fault by its name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests import cascades
from tests.exporting import detector, recording
from wristkit.errors import NotThisFormatError, RecordingError
from wristkit.export import Faults, compared, export, native, read_device_log, replay, simulate_device_log
from wristkit.export.device_log import FORMAT


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "compiler", lambda: None)
        return export(detector(), tmp_path_factory.mktemp("parent") / "tour", recordings=recording())


@pytest.fixture(scope="module")
def worn():
    return recording(bouts=6, seed=11)


@pytest.fixture(scope="module")
def log(bundle, worn, tmp_path_factory):
    return simulate_device_log(bundle, worn, tmp_path_factory.mktemp("log") / "device.jsonl")


def failed(checks):
    return set(checks.loc[checks["status"] == "failed", "check"])


def test_a_device_without_faults_agrees(bundle, log):
    checks = replay(bundle, log)
    assert list(checks.columns) == ["check", "status", "measured", "bound", "first_s", "note"]
    assert set(checks["status"]) == {"passed"}
    assert {"inputs", "scores", "windows", "events", "latency", "version stamps", "clock drift, accel"} <= set(
        checks["check"]
    )
    assert replay(bundle.report.parent, log).equals(checks)


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ({"lost": 0.1}, {"lost samples, accel", "lost samples, gyro"}),
        ({"repeated": 0.2}, {"repeated samples, accel", "repeated samples, gyro"}),
        ({"drift_ppm": 900.0}, {"clock drift, accel", "clock drift, gyro"}),
        ({"gain": 9.81}, {"inputs", "scores", "events"}),
        ({"gain": 1.01}, {"inputs"}),
        ({"score_error": 0.01}, {"scores"}),
        ({"event_shift_s": 0.5}, {"events"}),
        ({"missed_events": 1}, {"events"}),
        ({"stall_s": 1.0}, {"latency"}),
        ({"dropped": 3}, {"dropped samples, accel"}),
        ({"unlogged": 7}, {"logged samples, accel"}),
        ({"other_program": True}, {"version stamps"}),
        ({"cut": True}, {"log is whole"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_fault_is_found_by_its_name(bundle, worn, faults, found, tmp_path):
    log = simulate_device_log(bundle, worn, tmp_path / "device.jsonl", faults=Faults(**faults), seed=3)
    said = failed(replay(bundle, log))
    assert found <= said
    if faults != {"gain": 1.01}:  # a small gain may or may not move a score
        assert said == found


def test_where_they_part_is_told(bundle, worn, tmp_path):
    log = simulate_device_log(bundle, worn, tmp_path / "d.jsonl", faults=Faults(score_error=0.01))
    one = compared(bundle, log)
    row = one.checks.set_index("check").loc["scores"]
    halfway = one.scores["time_s"].iloc[len(one.scores) // 2]
    assert row["first_s"] == pytest.approx(halfway, abs=0.5)
    assert row["measured"] == pytest.approx(0.01, abs=1e-6)
    assert set(one.events["where"]) == {"both"}


def test_a_cascade_is_replayed_with_its_policy(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: None)
    truth = cascades.recording()
    cascade = cascades.cascade(truth)
    made = export(cascade, tmp_path / "c", recordings=truth)
    assert set(made.packages) == {"gate", "confirm"}
    assert "failed" not in set(made.parity["status"])
    log = simulate_device_log(made, cascades.recording(seed=1), tmp_path / "d.jsonl")
    checks = replay(made, log)
    assert failed(checks) == set()
    wrong = simulate_device_log(made, cascades.recording(seed=1), tmp_path / "e.jsonl", faults=Faults(missed_events=1))
    assert failed(replay(made, wrong)) == {"events"}


def lines_of(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def written(path, lines):
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_the_reader_takes_steady_streams_in_base64(tmp_path):
    header = {"kind": "header", "format": FORMAT, "version": 1}
    packed = "AACAPwAAAEAAAEBA"  # 1, 2, 3
    sound = {"kind": "samples", "stream": "audio", "received_s": 1, "start_s": 0.5, "rate_hz": 4, "float32": packed}
    read = read_device_log(written(tmp_path / "a.jsonl", [header, sound, {**sound, "start_s": 1.25}]))
    assert read.streams["audio"].time_s.tolist() == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert read.streams["audio"].values.ravel().tolist() == [1, 2, 3, 1, 2, 3]
    assert read.ended is None


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (lambda lines: lines[1:], NotThisFormatError, "does not begin as"),
        (lambda lines: [{**lines[0], "version": 2}, *lines[1:]], NotThisFormatError, "version 2"),
        (lambda lines: [*lines[:3], {"kind": "odd"}, *lines[3:]], RecordingError, "row 3: a record of kind 'odd'"),
        (lambda lines: [*lines[:3], [1], *lines[3:]], NotThisFormatError, "row 3: it is no record"),
        (lambda lines: [lines[0], {**lines[1], "values": [[1]]}, *lines[2:]], RecordingError, "row 1: samples"),
        (lambda lines: [lines[0], {**lines[1], "values": "x"}, *lines[2:]], RecordingError, "row 1: samples"),
        (lambda lines: [lines[0], {**lines[1], "received_s": None}, *lines[2:]], RecordingError, "row 1: samples"),
        (
            lambda lines: [
                lines[0],
                {"kind": "samples", "stream": "accel", "received_s": 0, "start_s": 0, "rate_hz": 1, "float32": "%"},
            ],
            RecordingError,
            "row 1: samples",
        ),
        (lambda lines: [one for one in lines if one.get("stream") != "gyro"], RecordingError, r"needs \['gyro'\]"),
    ],
)
def test_a_log_that_is_none_is_refused(bundle, log, change, kind, match):
    with pytest.raises(kind, match=match):
        replay(bundle, written(log.with_name("bad.jsonl"), change(lines_of(log))))


def test_a_folder_that_is_no_bundle_is_refused(log, tmp_path):
    with pytest.raises(RecordingError, match="no bundle's report"):
        replay(tmp_path, log)


def test_scores_of_other_windows_are_counted(bundle, log, tmp_path):
    lines = [one for number, one in enumerate(lines_of(log)) if one["kind"] != "score" or number % 10]
    assert failed(replay(bundle, written(tmp_path / "fewer.jsonl", lines))) == {"windows"}
    none = [one for one in lines_of(log) if one["kind"] != "score"]
    checks = replay(bundle, written(tmp_path / "none.jsonl", none)).set_index("check")
    assert set(checks.loc[["inputs", "scores", "windows", "latency"], "status"]) == {"not run"}


def test_inputs_of_another_shape_are_found(bundle, log, tmp_path):
    lines = lines_of(log)
    first = next(one for one in lines if one["kind"] == "score")
    first["input"] = np.array(first["input"])[:, :-1].tolist()
    checks = replay(bundle, written(tmp_path / "odd.jsonl", lines)).set_index("check")
    assert checks.loc["inputs", "measured"] == np.inf
    assert replace(Faults(), cut=True).cut
