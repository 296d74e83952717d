"""The program that replays recordings through the C++ core: folders, tables of text and a device's log."""

import base64
import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.compiled import EXACT, in_the_wrists_frame, needs_compiler, same_events
from wristkit import models
from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import compile_cpp, write_cpp
from wristkit.export.device_log import FORMAT
from wristkit.recipes import double_tap
from wristkit.recording import Recording, Stream
from wristkit.store import save


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Return the program of the double tap."""
    needs_compiler()
    folder = write_cpp(double_tap.default(), tmp_path_factory.mktemp("tap"))
    return compile_cpp(folder, folder / "run", options=("-O1",))


def test_a_table_of_text_is_read_as_a_recording(program, tmp_path):
    detector, recording = double_tap.default(), double_tap.simulate(3)
    table = tmp_path / "log.csv"
    lines = [
        f"{name},{time_s!r},{','.join(map(repr, values.tolist()))}"
        for name in detector.spec.conditioning.inputs
        for time_s, values in zip(recording[name].time.tolist(), recording[name].values, strict=True)
    ]
    table.write_text("\n".join(["# a remark", "other,1,2,3,4", *lines]))
    told = subprocess.run([program.path, table], capture_output=True, text=True, check=True).stdout
    rows = [line.split(",") for line in told.splitlines()[1:]]
    wanted = detector.detect(recording)
    assert [(float(row[0]), row[2].strip('"')) for row in rows] == list(
        zip(wanted["start_s"], wanted["label"], strict=True)
    )
    table.write_text("accel,1.0,2.0")
    done = subprocess.run([program.path, table], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "replay: line 1 has 2 numbers, expected 4\n")


def test_any_name_of_a_class_comes_through(tmp_path):
    needs_compiler()
    odd = ('a "quoted", one', "1", "NA", "\u4e00 */ \\", "two\nlines", "??/")
    torch.manual_seed(1)  # of these weights several classes are found
    made = in_the_wrists_frame(classes=(*odd, "none"))
    rng, time_s = np.random.default_rng(1), np.arange(3000) / 50
    values = rng.normal(size=(3000, 3)) * (1 + np.sin(time_s)[:, None])
    worn = Recording.of([Stream.measured("accel", time_s, values)], wrist="left", crown="left")
    with torch.no_grad():  # each class as likely as any other, and surely so
        made.model.shift(-made.model(torch.from_numpy(made.condition(worn).values)).mean(0).double().numpy())
        made.model.cool(0.02)
    detector = Detector(replace(made.spec, decoder=EventDecoder(high=0.3, low=0.25)), made.model)
    folder = write_cpp(detector, tmp_path / "written")
    program = compile_cpp(folder, folder / "run", options=("-O0",))
    wanted = detector.detect(worn)
    assert len(set(wanted["label"])) >= 3
    same_events(program.events(worn, tmp_path / "worn"), wanted)
    turned = Frame("wrist").run(worn)
    same_events(program.events(turned, tmp_path / "turned"), wanted)


def test_any_name_of_a_channel_comes_through(tmp_path):
    needs_compiler()
    names = ('a "quoted", one', "two\nlines", "\u4e00 \U0001f44d \u00e9 \\ */")
    source, rng = Source("quad", names, "1", 1.0), np.random.default_rng(1)
    conditioning = Conditioning((source,), (Frame(), Resample(50.0)))
    net = models.build("tcn", channels=conditioning.channels, classes=("a", "none"), samples=40, hop=8).eval()
    detector = Detector(DetectorSpec(conditioning, 40, 8, net.classes, EventDecoder(), net.architecture), net)
    folder = write_cpp(detector, tmp_path / "written")
    program = compile_cpp(folder, folder / "run", options=("-O0",))
    held = Recording.of(
        [Stream.measured("quad", np.arange(500) / 50, rng.normal(size=(500, 3)), channels=names, unit="1")]
    )
    found = program.scores(held, tmp_path / "held")
    np.testing.assert_allclose(np.stack(found["probabilities"]), detector.scores(held).values, rtol=0, atol=EXACT)
    assert len(found) > 50
    path = logged(tmp_path / "device.jsonl", records(held, ("quad",)))
    assert told_by(program, path, "--scores") == told_by(program, tmp_path / "held", "--scores")


def test_wrong_use_of_the_replayer_is_told(program, tmp_path):
    for words, told in {
        (): "give a folder",
        ("nowhere.csv",): "cannot read nowhere.csv",
        ("--wrist", "up", "x.csv"): "the side is up",
        ("--burst",): "--burst needs a value",
        ("--windows", "3"): "there is no stage 3",
        ("--loud",): "what is --loud?",
    }.items():
        done = subprocess.run([program.path, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2
        assert told in done.stderr
    with pytest.raises(RuntimeError, match="there is no stage 1"):
        program.logits(np.zeros((1, 6, 100), dtype=np.float32), stage=1)


# ---- a device's log ----


def records(recording, names, *, packet=40, packed=()):
    """Return a device's log as records: a header and samples, the streams in turn."""
    yield {"kind": "header", "format": FORMAT, "version": 1, "wrist": recording.wrist, "crown": recording.crown}
    for first in range(0, max(len(recording[name]) for name in names), packet):
        for name in names:
            rows = slice(first, first + packet)
            time_s, values = np.asarray(recording[name].time)[rows], np.asarray(recording[name].values)[rows]
            if not len(time_s):
                continue
            told = {"kind": "samples", "stream": name, "received_s": float(time_s[-1]), "time_s": time_s.tolist()}
            if name in packed:
                content = base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
                yield {**told, "float32": content}
            else:
                yield {**told, "values": values.astype(float).tolist()}
    times = {"start_s": 1, "stop_s": 2, "decided_s": 1}
    yield {"kind": "event", "label": 'a \\ \u00e9 "x"', "score": 0.5, "final": True, **times}
    yield {"kind": "end", "samples": {}, "dropped": {}}


def logged(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def told_by(program, path, *options):
    done = subprocess.run([program.path, path, *options], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("packed", [(), ("accel", "gyro")])
def test_a_log_gives_the_events_of_its_recording(program, packed, tmp_path):
    recording = double_tap.simulate(4)
    wanted = told_by(program, save(recording, tmp_path / "folder"))
    path = logged(tmp_path / "device.jsonl", records(recording, ("accel", "gyro"), packed=packed))
    assert told_by(program, path) == wanted
    assert len(wanted[1].splitlines()) > 2
    same_events(program.events_of(path), double_tap.default().detect(recording))
    text = path.read_text()
    path.write_text(text[: -len(text.splitlines()[-1]) // 2])  # the app was killed
    code, said, why = told_by(program, path)
    assert (code, said) == (0, wanted[1])
    assert "the log was cut" in why


def steady(start_s, packed):
    """Return a record of a second of stillness at 100 Hz, without stamps of its own."""
    return {
        "kind": "samples",
        "stream": "accel",
        "received_s": 0,
        "start_s": start_s,
        "rate_hz": 100,
        "float32": packed,
    }


BAD_LOGS = {
    "empty": ("", "is empty"),
    "no header": ('{"kind": "end"}\n', "a log begins with its one header"),
    "two headers": ('{"kind": "header"}\n{"kind": "header"}\n{"kind": "end"}\n', "line 2: a log begins with its one"),
    "no object": ("[1, 2]\n", "line 1: it lacks kind"),
    "no json": ("time,x,y\n", "line 1: it holds no value at 0"),
    "in the middle": ('{"kind": "header"}\n{"kind": "sam\n{"kind": "end"}\n', "line 2: its text has no end"),
    "too deep": ("[" * 100 + "\n", "line 1: it is nested too deeply"),
    "narrow rows": (
        '{"kind": "header"}\n{"kind": "samples", "stream": "accel", "time_s": [0], "values": [[1, 2]]}\n\n',
        "line 2: it has rows of 2 numbers, expected 3",
    ),
    "fewer stamps": (
        '{"kind": "header"}\n{"kind": "samples", "stream": "accel", "time_s": [], "values": [[1, 2, 3]]}\n\n',
        "line 2: it has 3 values, expected 0",
    ),
    "no base64": (
        '{"kind": "header"}\n{"kind": "samples", "stream": "accel", "time_s": [0], "float32": "%%%%"}\n\n',
        "line 2: its float32 is no base64",
    ),
    "no number": (
        '{"kind": "header"}\n{"kind": "samples", "stream": "accel", "time_s": ["0"], "values": [[1, 2, 3]]}\n\n',
        "line 2: it has something else where a number is expected",
    ),
}


@pytest.mark.parametrize("what", BAD_LOGS)
def test_a_log_that_is_none_is_refused_by_its_line(program, what, tmp_path):
    text, told = BAD_LOGS[what]
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    code, _, why = told_by(program, path)
    assert code == 2
    assert told in why


def test_steady_samples_have_stamps_made_for_them(program, tmp_path):
    still = base64.b64encode(np.tile(np.array([0, 0, -1], dtype="<f4"), 100).tobytes()).decode()
    path = logged(tmp_path / "a.jsonl", [{"kind": "header"}, steady(0.0, still), steady(1.0, still), {"kind": "end"}])
    assert told_by(program, path)[0] == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("accel,0.0,1,2,x", "line 1 holds 'x', expected a number"),
        ("accel,0.0,1,2,3 4", "line 1 holds '3 4', expected a number"),
        ("accel,0.0,1,2,", "line 1 has 3 numbers, expected 4"),
    ],
)
def test_a_table_with_no_numbers_is_refused_by_its_line(program, line, told, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(line + "\n")
    code, _, why = told_by(program, path)
    assert code == 2
    assert told in why
    path.write_text("accel,0.0,1,2,3\r\naccel,0.01,1,1e-320,3\r\n")
    assert told_by(program, path)[0] == 0


def test_a_folder_whose_arrays_were_cut_is_refused(program, tmp_path):
    folder = save(double_tap.simulate(3), tmp_path / "folder")
    values = next(folder.glob("*accel-values*.npy"))
    values.write_bytes(values.read_bytes()[:-400])
    code, _, why = told_by(program, folder)
    assert code == 2
    assert "for each of" in why
