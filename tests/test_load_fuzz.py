"""Damaged files of every format: a recording or a typed error comes out, never anything else."""

import random
from collections import Counter

import pytest

from tests import fuzzing
from tests.formats.examples import EXAMPLES
from tests.limits import TooSlowError, cpu_limit
from wristkit.errors import RecordingError
from wristkit.load import FORMATS, load

# A case takes about 10 ms of processor time, so all formats together take about 100 s on two cores.
CASES, GENERATED = 2_000, 200
MANY, MANY_GENERATED = 10_000, 2_000
NAMES = [name for name in FORMATS if name in EXAMPLES]


def check(name, *, cases, generated):
    outcome = fuzzing.in_child(name, cases=cases, generated=generated)
    assert outcome["escapes"] == {}
    assert outcome["cases"] >= cases
    # Damage that nothing notices, or that nothing survives, would try only a part of the reader.
    assert outcome["recordings"] > cases / 50
    assert len(outcome["errors"]) >= 3


def test_every_format_has_examples():
    assert set(FORMATS) <= set(EXAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_end_in_a_recording_or_a_typed_error(name):
    check(name, cases=CASES, generated=GENERATED)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files_end_in_a_recording_or_a_typed_error(name):
    check(name, cases=MANY, generated=MANY_GENERATED)


# What it found once


def tables_of(tmp_path):
    (_, target) = fuzzing.taken_apart("npz", EXAMPLES["table"]["npz"], tmp_path)
    return target


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("time.npy", b"(60,)", b"(60L,", "not_an_array"),
        ("time.npy", b"(60,)", b"(6,)L", "not_an_array"),
        ("time.npy", b"(60,), }", b"(60,),((", "not_an_array"),
        ("activity.npy", "rest".encode("utf-32-le"), b"\xff\xff\xff\x7f" * 4, "encoding"),
        ("activity.npy", "rest".encode("utf-32-le"), b"\x00\xd8\x00\x00" * 4, "encoding"),
    ],
)
def test_arrays_that_numpy_warns_of_or_cannot_show_are_typed_errors(tmp_path, file, old, new, code):
    target = tables_of(tmp_path)
    assert old in target.files[file]
    path = target.write(tmp_path, target.files | {file: target.files[file].replace(old, new, 1)})
    with pytest.raises(RecordingError) as caught:
        load(path, schema=target.example.schema)
    assert (caught.value.code, caught.value.file) in {(code, file), (code, path.name)}


def test_a_number_where_the_schema_has_a_date_is_a_typed_error(tmp_path):
    path = EXAMPLES["table"]["csv"].write(tmp_path)
    with pytest.raises(RecordingError, match="date_format"):
        load(path, schema=EXAMPLES["table"]["iso"].schema)


def test_a_header_that_says_nothing_is_a_typed_error(tmp_path):
    path = EXAMPLES["table"]["csv"].write(tmp_path)
    with pytest.raises(RecordingError, match="schema_missing"):
        load(path)
    path.write_bytes(path.read_bytes().replace(b"ax", b"bx", 1))
    with pytest.raises(RecordingError, match="columns_missing"):
        load(path, schema=EXAMPLES["table"]["csv"].schema)


# The fuzz itself


def test_every_way_of_damage_is_tried_and_most_change_the_file():
    content, other = b"time,x\n" + b"1,2.5\n" * 40, b"other" * 50
    chance = random.Random(1)  # noqa: S311  damage, no secret
    for way in {*fuzzing._OF_BYTES, *fuzzing._OF_LINES}:
        changed = [way(content, other, chance) != content for _ in range(50)]
        assert sum(changed) > 20, way.__name__


def test_a_case_is_the_same_whenever_it_is_tried(tmp_path):
    ends = []
    for turn in "ab":
        fuzz = fuzzing.Fuzz("table", tmp_path / turn, stops=False)
        for number in range(20):
            fuzz.case(number)
        ends.append((fuzz.outcome.errors, fuzz.outcome.recordings))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (KeyError("x"), "KeyError"),
        (MemoryError(), "MemoryError"),
        (TooSlowError(), "TooSlowError"),
        (UserWarning("odd"), "UserWarning"),
    ],
)
def test_what_is_neither_a_recording_nor_a_typed_error_is_told_with_its_case(tmp_path, monkeypatch, fault, told):
    def wrong(*_, **__):
        raise fault

    fuzz = fuzzing.Fuzz("table", tmp_path, stops=False)
    monkeypatch.setattr(fuzzing, "load", wrong)
    for number in range(3, 6):
        fuzz.case(number)
    assert fuzz.outcome.escapes == {f"{told} in the test": f"case 3: {told} in the test: {fault}"}


def test_sums_of_blocks_are_made_right_after_damage(tmp_path):
    (target, *_) = fuzzing.taken_apart("ax3", EXAMPLES["axivity"]["ax3"], tmp_path)
    (content,) = target.files.values()
    assert fuzzing._sealed_blocks(content) == content
    spoilt = bytearray(content)
    spoilt[fuzzing.axivity.HEADER_BYTES + 100] ^= 1
    assert fuzzing._sealed_blocks(bytes(spoilt)) not in (content, bytes(spoilt))


def test_checksums_of_records_are_made_right_after_damage(tmp_path):
    targets = fuzzing.taken_apart("gt3x", EXAMPLES["actigraph"]["gt3x"], tmp_path)
    content = targets[1].files["log.bin"]
    assert fuzzing._sealed_records(content) == content
    spoilt = bytearray(content)
    spoilt[12] ^= 1
    assert fuzzing._sealed_records(bytes(spoilt)) not in (content, bytes(spoilt))


def test_a_loop_without_end_is_stopped():
    def endless():
        while True:
            Counter("loop")

    with pytest.raises(TooSlowError), cpu_limit(0.05):
        endless()


def test_a_process_that_dies_is_told_with_its_case(tmp_path, monkeypatch):
    deadly = "import os, signal, sys; open(sys.argv[sys.argv.index('--progress') + 1], 'w').write('case 7');"
    deadly += "os.kill(os.getpid(), signal.SIGSEGV)"
    script = tmp_path / "python"
    script.write_text(f"#!{fuzzing.sys.executable}\n{deadly}\n")
    script.chmod(0o700)
    monkeypatch.setattr(fuzzing.sys, "executable", str(script))
    with pytest.raises(AssertionError, match="SIGSEGV at case 7 of table"):
        fuzzing.in_child("table", cases=1)


def test_examples_are_small_and_load(tmp_path):
    for name in NAMES:
        for kind, example in EXAMPLES[name].items():
            folder = tmp_path / name / kind
            folder.mkdir(parents=True)
            path = example.write(folder)
            files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
            assert sum(one.stat().st_size for one in files) < 60_000
            assert load(path, schema=example.schema).streams
