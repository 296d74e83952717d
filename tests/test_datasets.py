"""The bundled samples: what the manifest says is what loads, and the simulator makes them again."""

import hashlib
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from wristkit import datasets
from wristkit.datasets import sample, samples
from wristkit.errors import RecordingError
from wristkit.load import load
from wristkit.recording import LABEL_COLUMNS
from wristkit.simulate import ACTIVITIES, people
from wristkit.simulate.samples import SEED, _write_sample, write_samples

STEP = {"accel": 2e-4, "user_accel": 1e-4, "gravity": 1e-4, "gyro": 1e-3, "attitude": 1e-4, "heart_rate": 1.0}
SENSOR_STEP = {"accel": 5e-4, "user_accel": 5e-4, "gyro": 1e-3}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("samples"))


def test_the_table_lists_people_on_both_wrists_and_crown_sides():
    table = samples()
    columns = ["name", "subject", "wrist", "crown", "duration_s", "streams", "simulated", "description"]
    assert list(table.columns) == columns
    assert table["subject"].nunique() == len(table) >= 6
    assert len(table[["wrist", "crown"]].drop_duplicates()) == 4
    assert table["simulated"].all()
    assert table["description"].str.contains("simulated").all()


def test_each_sample_loads_with_exact_truth():
    for row in samples().itertuples():
        recording = sample(row.name)
        truth = recording.labels[recording.labels["tier"] == "truth"]
        assert (recording.subject, recording.wrist, recording.crown) == (row.subject, row.wrist, row.crown)
        assert set(row.streams) == set(recording.streams)
        assert set(truth["label"]) == set(ACTIVITIES)
        np.testing.assert_array_equal(truth["start_s"].to_numpy()[1:], truth["stop_s"].to_numpy()[:-1])
        assert recording.labelled["truth"].tolist() == [[truth["start_s"].min(), truth["stop_s"].max()]]
        assert recording.stop_s - recording.start_s == pytest.approx(row.duration_s, abs=0.002)
        assert recording.accel.rate_hz == pytest.approx(50.0, rel=0.01)
        assert set(recording.labels["tier"]) == {"truth", "annotation"}


def test_some_samples_have_gaps_and_lost_samples_and_say_so():
    codes = {code for name in samples()["name"] for code in sample(name).findings["code"]}
    assert {"gaps", "missing_samples"} <= codes


def test_the_simulator_makes_the_samples_again(rebuilt):
    for name in samples()["name"]:
        bundled, again = sample(name), load(rebuilt / f"{name}.zip")
        for stream in bundled.streams.values():
            step = max(STEP[stream.name], SENSOR_STEP.get(stream.name, 0.0))
            np.testing.assert_allclose(again[stream.name].time, stream.time, atol=1.1e-5)
            np.testing.assert_allclose(again[stream.name].values, stream.values, atol=1.01 * step)
        labels = pd.read_csv(rebuilt / f"{name}.labels.csv")
        truth = bundled.labels[bundled.labels["tier"] == "truth"].reset_index(drop=True)
        assert list(labels.columns) == list(LABEL_COLUMNS)
        pd.testing.assert_frame_equal(labels, truth, check_exact=True, check_dtype=False)


def test_the_manifest_is_rebuilt_and_its_checksums_are_those_of_the_files(rebuilt):
    folder = datasets._folder()
    bundled, again = (json.loads((one / "manifest.json").read_text()) for one in (folder, rebuilt))
    for entry, other in zip(bundled["samples"], again["samples"], strict=True):
        for file, sha256 in entry["sha256"].items():
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == sha256
        assert {**entry, "sha256": None} == {**other, "sha256": None}
    assert (folder / "README.md").read_text() == (rebuilt / "README.md").read_text()


def test_writing_twice_gives_the_same_bytes(rebuilt, tmp_path):
    _write_sample(tmp_path, 1, people(2, seed=SEED)[1])
    paths = list(tmp_path.iterdir())
    assert len(paths) == 2
    for path in paths:
        assert path.read_bytes() == (rebuilt / path.name).read_bytes(), path.name


def test_samples_are_small_and_name_nobody():
    folder = datasets._folder()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    for name in samples()["name"]:
        recording = sample(name)
        assert set(recording.source) == {"format", "device", "app_version", "file", "sha256"}
        assert recording.source["device"] == "simulated"


def test_an_unknown_name_lists_the_known_ones():
    first = samples()["name"][0]
    with pytest.raises(ValueError, match=re.escape(first)):
        sample("day_p99")


def test_a_changed_or_missing_file_is_refused_by_its_checksum(tmp_path, monkeypatch):
    folder = tmp_path / "samples"
    shutil.copytree(datasets._folder(), folder)
    monkeypatch.setattr(datasets, "_PLACES", (folder,))
    first, second = samples()["name"][:2]
    path = folder / f"{first}.zip"
    path.write_bytes(path.read_bytes()[:-1])
    (folder / f"{second}.labels.csv").unlink()
    for name in (first, second):
        with pytest.raises(RecordingError) as caught:
            sample(name)
        assert caught.value.code == "checksum"


def test_a_package_without_samples_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_PLACES", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=r"wristkit\.simulate"):
        samples()
