"""The native folder: exact round trip, memory-mapped, never a mixture, never somebody else's files."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, finding_table, label_table
from wristkit.store import atomic_write, open_native, save, verify


def make_recording(seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.uniform(0.008, 0.012, 500))
    accel = rng.normal(size=(500, 3)).astype(np.float32)
    accel[7] = np.nan
    return Recording.of(
        [
            Stream.measured("accel", np.delete(time, slice(200, 260)), np.delete(accel, slice(200, 260), axis=0)),
            Stream.uniform("audio", rng.normal(size=1600), rate_hz=1600, start_s=0.25),
            Stream.measured("my/../<own>", time[:10], rng.normal(size=10), unit="V"),
        ],
        labels=label_table([(1.0, 2.0, "<b>walk", "truth", "me"), (3.0, 3.0, "tap", "truth", "me")]),
        labelled={"truth": [(0.0, 5.0)]},
        findings=finding_table([("odd", "accel", float("nan"), 1.0, 3, "note", "remedy")]),
        start="2026-05-01T08:00:00.000000001Z",
        zone="Europe/Vienna",
        subject="s01",
        wrist="left",
        crown="right",
        source={"format": "test"},
    )


def test_round_trip_is_exact(tmp_path: Path) -> None:
    before = make_recording()
    after = open_native(save(before, tmp_path / "r"))
    assert after.id == before.id
    for name, stream in before.streams.items():
        again = after[name]
        np.testing.assert_array_equal(again.values, stream.values)
        np.testing.assert_array_equal(again.time, stream.time)
        np.testing.assert_array_equal(again.gaps, stream.gaps)
        assert (again.unit, again.channels, again.is_uniform) == (stream.unit, stream.channels, stream.is_uniform)
        np.testing.assert_equal(again.rate_hz, stream.rate_hz)
    pd.testing.assert_frame_equal(after.labels, before.labels)
    pd.testing.assert_frame_equal(after.findings, before.findings)
    np.testing.assert_array_equal(after.labelled["truth"], before.labelled["truth"])
    for field in ("start", "zone", "subject", "wrist", "crown", "source"):
        assert getattr(after, field) == getattr(before, field)


def test_opening_maps_and_does_not_read(tmp_path: Path) -> None:
    accel = open_native(save(make_recording(), tmp_path / "r")).accel
    base = accel.values
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert accel.values[:, 0].flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        accel.values[0, 0] = 1.0


def test_new_labels_replace_the_old_and_leave_data_files_alone(tmp_path: Path) -> None:
    folder = save(make_recording(), tmp_path / "r")
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    relabelled = open_native(folder).with_labels(label_table([(1.0, 2.0, "run", "truth", "me")]))
    save(relabelled, folder)
    assert open_native(folder).labels["label"].tolist() == ["run"]
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")} == written


@pytest.mark.parametrize("content", ["other recording", "other files", "a file"])
def test_saving_never_overwrites_what_is_not_this_recording(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "r"
    if content == "other recording":
        save(make_recording(1), folder)
    elif content == "other files":
        folder.mkdir()
        (folder / "thesis.txt").write_text("years of work")
    else:
        folder.write_text("a file")
    with pytest.raises(RecordingError, match="nothing is overwritten"):
        save(make_recording(0), folder)


def test_an_interrupted_save_is_taken_up_again(tmp_path: Path) -> None:
    folder = save(make_recording(), tmp_path / "r")
    (folder / "recording.json").unlink()
    abandoned = folder / ".recording.json.abc.tmp"
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    (folder / ".recording.json.def.tmp").write_bytes(b"another save, under way")
    save(make_recording(), folder)
    assert open_native(folder).id == make_recording().id
    assert [path.name for path in folder.glob(".*.tmp")] == [".recording.json.def.tmp"]


def test_verify_finds_one_flipped_bit(tmp_path: Path) -> None:
    folder = save(make_recording(), tmp_path / "r")
    verify(folder)
    victim = next(folder.glob("*accel-values*"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with pytest.raises(RecordingError, match="changed since it was saved"):
        verify(folder)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "recording.json").write_text("{"), "header"),
        (lambda folder: (folder / "recording.json").write_text("[]"), "schema"),
        (lambda folder: (folder / "recording.json").unlink(), "not_native"),
        (lambda folder: next(folder.glob("*values*")).unlink(), "missing_file"),
        (lambda folder: os.truncate(next(folder.glob("*accel-values*")), 200), "truncated"),
        (lambda folder: os.truncate(next(folder.glob("*values*")), 0), "truncated"),
        (lambda folder: rewrite(folder, lambda h: h.update(schema=99)), "schema"),
        (lambda folder: rewrite(folder, lambda h: h.pop("labels")), "header"),
        (lambda folder: rewrite(folder, lambda h: h["streams"][0].update(samples=3)), "header"),
        (lambda folder: rewrite(folder, lambda h: h["streams"][0]["files"]["values"].update(name="../x.npy")), "path"),
        (lambda folder: rewrite(folder, lambda h: h["streams"][0].update(unit="m/s2")), "unit"),
    ],
)
def test_a_damaged_folder_gives_one_clear_error(tmp_path: Path, damage, code: str) -> None:
    folder = save(make_recording(), tmp_path / "r")
    damage(folder)
    with pytest.raises(RecordingError) as fault:
        open_native(folder)
    assert fault.value.code == code
    assert fault.value.remedy


def rewrite(folder: Path, change) -> None:
    header = json.loads((folder / "recording.json").read_text())
    change(header)
    (folder / "recording.json").write_text(json.dumps(header))


def test_a_file_is_for_whom_any_new_one_is_and_stays_so(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "kept.json"
    plain.write_bytes(b"")
    atomic_write(path, lambda file: file.write(b"new"))
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    atomic_write(path, lambda file: file.write(b"newer"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == b"newer"


def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file) -> None:
        file.write(b"new, half of it")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
