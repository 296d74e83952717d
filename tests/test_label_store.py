"""The label store: equal to an obvious twin, whole after any kill, one error for what it cannot use, exact in files."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wristkit.errors import RecordingError
from wristkit.recording import LABEL_COLUMNS, Recording, Stream, check_labels, label_table
from wristkit.store import LabelStore, database
from wristkit.store.marks import LONGEST_TEXT_BYTES

ROOT = Path(__file__).resolve().parent.parent
# Examples by the hundred need no disk that keeps them.
MEMORY = next((place for place in ["/dev/shm"] if os.access(place, os.W_OK)), None)  # noqa: S108
HOSTILE = [
    "=HYPERLINK(1)",
    "'=1",
    "''+1",
    "'tis",
    "'",
    "-1",
    "@x",
    "\ttab",
    "\rx",
    "a\r\nb\nc\rd",
    'quo"te, comma; semicolon',
    "None",
    "NA",
    "null",
    " spaced ",
    "\\",
    "<script>alert(1)</script>",
    "a_$b^$",
    "_hidden",
    "\u2028line\x85\x0b\x1c",
    "\ufeffmark",
    "\U0001f44b\u0301",
    "x" * 10_000,
    "é" * (LONGEST_TEXT_BYTES // 2),
]


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "a.labels") as held:
        yield held


def rows(store):
    table = store.table()
    return [(key, *row) for key, row in zip(table.index, table.itertuples(index=False, name=None), strict=True)]


def refused(code, function, *arguments, **options):
    """Return the error of a call that must be refused with this code, with all that an error says."""
    with pytest.raises(RecordingError) as fault:
        function(*arguments, **options)
    assert fault.value.code == code, fault.value
    assert fault.value.remedy
    return fault.value


def recording_of(seed=0):
    return Recording.of([Stream.uniform("eda", np.full(100, float(seed)), rate_hz=1.0, unit="uS")])


# The store against a twin that a careful reader can check by eye.


class Twin:
    """Marks in a dictionary and edits in a list."""

    def __init__(self):
        self.marks, self.edits, self.last_key, self.revision = {}, [], 0, 0

    def new(self):
        self.last_key += 1
        return self.last_key

    def edit(self, author, after):
        after = {key: mark for key, mark in after.items() if mark != self.marks.get(key)}
        if after:
            self.edits = [one for one in self.edits if not (one["author"] == author and one["undone"])]
            before = {key: self.marks.get(key) for key in after}
            self.edits.append({"author": author, "before": before, "after": after, "undone": False})
            self.put(after)

    def put(self, marks):
        self.marks = {key: mark for key, mark in {**self.marks, **marks}.items() if mark is not None}
        self.revision += 1

    def step(self, author, *, back):
        own = [one for one in self.edits if one["author"] == author and one["undone"] is not back]
        if not own:
            return False
        one = own[-1 if back else 0]
        here, there = (one["after"], one["before"]) if back else (one["before"], one["after"])
        if any(self.marks.get(key) != mark for key, mark in here.items()):
            return None
        one["undone"] = back
        self.put(there)
        return True

    def labels(self):
        return sorted(((*mark[:2], key, *mark[2:]) for key, mark in self.marks.items() if mark[2] is not None))


TEXTS = st.sampled_from(["tap", "pinch", "=1"])
TIERS = st.sampled_from(["truth", "guess"])
AUTHORS = st.sampled_from(["ann", "bob"])
TIMES = st.integers(0, 12).map(float)


class TwoNotebooks(RuleBasedStateMachine):
    """Two connections to one file, each of its own author, or both of one."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.path = Path(self.folder.name) / "a.labels"
        self.stores = {name: LabelStore(self.path) for name in ("ann", "bob")}
        self.twin = Twin()

    def teardown(self):
        for store in self.stores.values():
            store.close()
        self.folder.cleanup()

    def some_key(self, data):
        return data.draw(st.sampled_from([key for _, _, key, *_ in self.twin.labels()]))

    has_labels = precondition(lambda self: self.twin.labels())

    @rule(author=AUTHORS, start=TIMES, length=TIMES, label=TEXTS, tier=TIERS)
    def add(self, author, start, length, label, tier):
        key = self.stores[author].add(start, start + length, label, tier=tier, by=author)
        assert key == self.twin.new()
        self.twin.edit(author, {key: (start, start + length, label, tier, "me")})

    @rule(author=AUTHORS, start=TIMES, labels=st.lists(TEXTS, max_size=3))
    def add_table(self, author, start, labels):
        marks = [(start, start + number, label, "truth", "robot") for number, label in enumerate(labels)]
        keys = self.stores[author].add_table(label_table(marks), by=author)
        assert keys == [self.twin.new() for _ in marks]
        self.twin.edit(author, dict(zip(keys, marks, strict=True)))

    @has_labels
    @rule(author=AUTHORS, data=st.data(), label=TEXTS, stale=st.booleans())
    def change(self, author, data, label, stale):
        key = self.some_key(data)
        held = self.twin.marks[key]
        seen = dict(zip(LABEL_COLUMNS, held, strict=True)) | ({"label": "long ago"} if stale else {})
        if stale:
            refused("label_changed", self.stores[author].change, key, label=label, seen=seen, by=author)
        else:
            self.stores[author].change(key, label=label, stop_s=held[1] + 1, seen=seen, by=author)
            self.twin.edit(author, {key: (held[0], held[1] + 1, label, *held[3:])})

    @has_labels
    @rule(author=AUTHORS, data=st.data())
    def remove(self, author, data):
        keys = {self.some_key(data), self.some_key(data)}
        self.stores[author].remove(*keys, by=author)
        self.twin.edit(author, dict.fromkeys(keys))

    @has_labels
    @rule(author=AUTHORS, data=st.data())
    def split(self, author, data):
        key = self.some_key(data)
        start, stop, *rest = self.twin.marks[key]
        if stop - start > 1:
            other = self.twin.new()
            assert self.stores[author].split(key, start + 1, by=author) == (key, other)
            self.twin.edit(author, {key: (start, start + 1, *rest), other: (start + 1, stop, *rest)})
        else:
            with pytest.raises(ValueError, match="within label"):
                self.stores[author].split(key, stop, by=author)

    @has_labels
    @rule(author=AUTHORS, data=st.data())
    def merge(self, author, data):
        keys = list(dict.fromkeys([self.some_key(data), self.some_key(data)]))
        held = {key: self.twin.marks[key] for key in keys}
        if len(keys) < 2 or len({mark[2:] for mark in held.values()}) > 1:
            with pytest.raises(ValueError, match="merge got"):
                self.stores[author].merge(keys, by=author)
            return
        first, second = sorted(keys, key=lambda key: (held[key][:2], keys.index(key)))
        assert self.stores[author].merge(keys, by=author) == first
        stop = max(held[first][1], held[second][1])
        self.twin.edit(author, {second: None, first: (held[first][0], stop, *held[first][2:])})

    @has_labels
    @rule(author=AUTHORS, data=st.data(), tier=TIERS)
    def copy(self, author, data, tier):
        key, new = self.some_key(data), self.twin.new()
        assert self.stores[author].copy([key], tier=tier, by=author) == [new]
        self.twin.edit(author, {new: (*self.twin.marks[key][:3], tier, self.twin.marks[key][4])})

    @rule(author=AUTHORS, start=TIMES, length=st.integers(1, 5))
    def look(self, author, start, length):
        self.stores[author].look(start, start + length, by=author)
        self.twin.edit(author, {self.twin.new(): (start, start + length, None, "truth", "me")})

    @rule(author=AUTHORS, start=TIMES, length=st.integers(1, 5))
    def forget_look(self, author, start, length):
        self.stores[author].forget_look(start, start + length, by=author)
        stop, after = start + length, {}
        looks = sorted((*mark[:2], key) for key, mark in self.twin.marks.items() if mark[2] is None)
        for left, right, key in looks:
            if left < stop and right > start:
                after[key] = None
                for rest in ((left, start), (stop, right)):
                    if rest[0] < rest[1]:
                        after[self.twin.new()] = (*rest, None, "truth", "me")
        self.twin.edit(author, after)

    @rule(author=AUTHORS, back=st.booleans())
    def step(self, author, back):
        move = self.stores[author].undo if back else self.stores[author].redo
        expected = self.twin.step(author, back=back)
        if expected is None:
            refused("label_changed", move, by=author)
        else:
            assert move(by=author) is expected

    @rule(author=AUTHORS)
    def open_anew(self, author):
        self.stores[author].close()
        self.stores[author] = LabelStore(self.path)

    @rule(author=AUTHORS)
    def look_closely(self, author):
        table = self.stores[author].table()
        pd.testing.assert_frame_equal(check_labels(table), table.reset_index(drop=True))
        looks = [mark[:2] for mark in self.twin.marks.values() if mark[2] is None]
        seconds = {second for start, stop in looks for second in np.arange(start, stop)}
        spans = self.stores[author].labelled().get("truth", np.empty((0, 2)))
        assert {second for start, stop in spans for second in np.arange(start, stop)} == seconds
        assert (spans[1:, 0] > spans[:-1, 1]).all()

    @invariant()
    def both_show_what_the_twin_holds(self):
        for store in self.stores.values():
            held = [(start, stop, key, *rest) for key, start, stop, *rest in rows(store)]
            assert held == self.twin.labels()
            assert store.revision == self.twin.revision


TwoNotebooks.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck), deadline=None
)
TestTwoNotebooks = TwoNotebooks.TestCase


# Kills, processes, threads.

CHILD = """
import hashlib, json, os, random, sys
from wristkit.store import LabelStore

def say(*what):
    os.write(1, json.dumps(what).encode() + b"\\n")  # short, so that a pipe takes it whole or not at all

def state(store):
    rows = store.table().reset_index().to_numpy().tolist()
    return store.revision, hashlib.sha256(json.dumps(rows).encode()).hexdigest()

def edit_for_ever(path, seed):
    chance, store = random.Random(seed), LabelStore(path)
    say("done", *state(store))
    while True:
        keys = store.table().index.tolist()
        kinds = ["change", "remove", "copy"] * bool(keys)
        kind = chance.choice(["add", "add", "add_table", "undo", "redo", *kinds])
        say("try", kind)
        if kind == "add":
            store.add(chance.random(), 2, "tap")
        elif kind == "add_table":
            store.add_table(store.table().head(3))
        elif kind == "change":
            store.change(chance.choice(keys), start_s=chance.random())
        elif kind == "remove":
            store.remove(*keys[:6])
        elif kind == "copy":
            store.copy([chance.choice(keys)], tier="guess")
        else:
            getattr(store, kind)()
        say("done", *state(store))

if len(sys.argv) > 1:
    with LabelStore(sys.argv[1]) as store:
        for number in range(100):
            store.add(number, number + 1, "tap", by=sys.argv[2])
        for number in range(20):
            assert store.undo(by=sys.argv[2])
for line in sys.stdin:
    child = os.fork()
    if not child:
        edit_for_ever(*json.loads(line))
    say("child", child)
    os.waitpid(child, 0)
    say("dead")
"""


def python(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(server, path, seed):
    """Kill a child in the midst of its edits; return its last acknowledged state and what it had begun since."""
    server.stdin.write(json.dumps([str(path), seed]) + "\n")
    server.stdin.flush()
    victim, done, tried, most = None, None, None, 1 + seed % 11
    acknowledged = 0
    for line in server.stdout:
        match json.loads(line):
            case "child", pid:
                victim = pid
            case "try", kind:
                tried = kind
            case "done", *state:
                done, tried, acknowledged = state, None, acknowledged + 1
            case ["dead"]:
                break
        # At times right after an answer, at times while an edit is under way.
        if victim and acknowledged >= most and (tried or seed % 2):
            time.sleep(seed % 8 * 1e-4)
            os.kill(victim, signal.SIGKILL)
            victim = None
    return done, tried


def state_of(store):
    """Return what the child says of a state."""
    held = store.table().reset_index().to_numpy().tolist()
    return [store.revision, hashlib.sha256(json.dumps(held).encode()).hexdigest()]


def test_no_acknowledged_edit_is_lost_by_kill_9(tmp_path, monkeypatch):
    path = tmp_path / "a.labels"
    monkeypatch.setattr(database, "_PATIENCE_S", 1.0)  # a dead process holds nothing: opening need not wait for it
    with python() as server:
        for seed in range(40):
            done, tried = killed(server, path, seed)
            with LabelStore(path) as store:
                found = state_of(store)
                if found != done:
                    assert tried is not None, "an edit that was acknowledged is gone, or another is there"
                    assert found[0] == done[0] + 1
                    assert store.redo() if tried == "undo" else store.undo()
                    assert state_of(store)[1] == done[1]
        server.stdin.close()
    assert server.returncode == 0


def test_two_processes_edit_at_once_and_both_make_the_file(tmp_path):
    path = tmp_path / "a.labels"
    both = [python(path, author) for author in ("ann", "bob")]
    for one in both:
        one.communicate("")
        assert one.returncode == 0
    with LabelStore(path) as store:
        assert store.revision == 2 * (100 + 20)
        assert sorted(store.table()["start_s"].astype(int)) == sorted([*range(80)] * 2)
        assert store.redo(by="ann")
        assert len(store.table()) == 161


def test_handlers_on_other_threads_may_edit(store):
    def edit(author):
        for number in range(25):
            store.add(number, number, "tap", by=author)
            store.undo(by=author)
            store.redo(by=author)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(edit, "abcd"))
    assert (len(store.table()), store.revision) == (100, 300)


def test_a_crash_leaves_edits_beside_the_file_and_they_are_found(store, tmp_path):
    keys = [store.add(number, number, "tap") for number in range(20)]
    for name in ("a.labels", "a.labels-wal"):
        shutil.copy(tmp_path / name, tmp_path / name.replace("a.", "b."))
    with LabelStore(tmp_path / "b.labels") as again:
        assert again.table().index.tolist() == keys
        assert again.undo()


def test_a_crash_in_the_midst_of_a_checkpoint_loses_nothing(store, tmp_path):
    grown_from = store.path.stat().st_size
    keys = store.add_table(label_table([(number, number, "tap", "truth", "me") for number in range(2000)]))
    store._marks._run("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    for name in ("a.labels", "a.labels-wal"):
        shutil.copy(tmp_path / name, tmp_path / name.replace("a.", "b."))
    os.truncate(tmp_path / "b.labels", grown_from)  # its first page says already how many there will be
    with LabelStore(tmp_path / "b.labels") as again:
        assert again.table().index.tolist() == keys


def test_an_edit_is_on_the_disk_when_it_returns_and_few_bytes_are_written(store, tmp_path):
    assert store._marks._run("PRAGMA synchronous").fetchone() == (2,)
    assert store._marks._run("PRAGMA journal_mode").fetchone() == ("wal",)
    store.add_table(label_table([(number, number + 1, "tap", "truth", "me") for number in range(20_000)]))
    store._marks._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    key = store.add(5.0, 6.0, "tap")
    store.change(key, label="pinch")
    store.undo()
    assert (tmp_path / "a.labels-wal").stat().st_size < 40 * 4096 < (tmp_path / "a.labels").stat().st_size / 10


def test_only_the_user_may_read_it(store, tmp_path):
    store.add(0, 1, "tap")
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.labels"]


# What an edit means.


def test_a_restart_keeps_keys_history_and_recording(tmp_path):
    path, recording = tmp_path / "a.labels", recording_of()
    with LabelStore(path, recording=recording) as store:
        key = store.add(1, 2, "tap")
        store.add(3, 4, "pinch", rater="ann", by="ann")
        store.remove(key)
    with LabelStore(path) as store:
        assert (store.recording, store.revision) == (recording.id, 3)
        assert store.undo()
        assert store.undo()
        assert rows(store) == [(2, 3.0, 4.0, "pinch", "truth", "ann")]
        assert not store.undo()
        assert store.redo()
        store.close()
        assert refused("closed", store.table)
    with LabelStore(path) as store:
        assert store.redo()
        assert not store.redo()
        assert store.add(5, 6, "new") == 3, "a key is never given twice"


def test_a_new_edit_ends_what_its_author_could_make_again_and_nobody_elses(store):
    for author in ("ann", "bob"):
        store.add(0, 1, author, by=author)
        store.undo(by=author)
    store.add(1, 2, "other", by="ann")
    assert not store.redo(by="ann")
    assert store.redo(by="bob")


def test_what_changes_nothing_is_no_edit(store):
    key = store.add(1, 2, "tap")
    store.add(3, 4, "tap")
    store.undo()
    store.change(key, label="tap", seen=store.table().loc[key])
    store.remove()
    store.add_table(label_table())
    assert store.copy([], tier="guess") == []
    assert store.revision == 3
    assert store.redo()


def test_an_edit_that_fails_leaves_no_trace(store):
    first = store.add(1, 2, "tap")
    store.add(3, 4, "tap")
    store.undo()
    refused("label_missing", store.remove, first, 99)
    refused("label_missing", store.merge, [first, 2])
    refused("label", store.add_table, label_table([(0, 1, "x", "truth", "me"), (0, 1, "a\0b", "truth", "me")]))
    assert rows(store) == [(first, 1.0, 2.0, "tap", "truth", "me")]
    assert store.redo()


def test_two_notebooks_do_not_overwrite_each_other(store, tmp_path):
    key = store.add(1, 2, "tap")
    seen = store.table().loc[key].to_dict()
    with LabelStore(tmp_path / "a.labels") as other:
        other.change(key, stop_s=2.5, by="bob")
        fault = refused("label_changed", store.change, key, stop_s=3.0, seen=seen)
        assert "2.5" in str(fault)
        store.change(key, label="pinch", seen={"label": "tap"}, by="ann")
        refused("label_changed", other.undo, by="bob")
        assert store.undo(by="ann")
        assert other.undo(by="bob")
        other.remove(key, by="bob")
    refused("label_missing", store.change, key, stop_s=3.0, seen=seen)
    assert "gone" in str(refused("label_changed", store.undo))


def test_looked_at_spans_come_out_joined_by_tier(store):
    store.look(0, 5)
    store.look(4, 8, rater="ann")
    store.look(20, 21, tier="guess")
    store.forget_look(2, 3)
    held = store.labelled()
    assert {tier: spans.tolist() for tier, spans in held.items()} == {"guess": [[20, 21]], "truth": [[0, 2], [3, 8]]}
    assert store.labelled(rater="ann")["truth"].tolist() == [[4, 8]]
    assert store.undo()
    assert store.labelled()["truth"].tolist() == [[0, 8]]
    assert store.table().empty
    check_labels(store.table())


def test_apply_gives_a_recording_with_these_labels(tmp_path):
    recording = recording_of()
    with LabelStore(tmp_path / "a.labels", recording=recording) as store:
        store.add(5, 6, "tap", rater="ann")
        store.add(1, 2, "tap", tier="guess")
        store.look(0, 50)
        labelled = store.apply(recording)
        assert labelled.id == recording.id
        assert labelled.labels["start_s"].tolist() == [1, 5]
        assert labelled.labelled["truth"].tolist() == [[0, 50]]
        refused("other_recording", store.apply, recording_of(1))
        assert store.table(rater="ann")["start_s"].tolist() == [5]
        assert store.table(tier="guess")["start_s"].tolist() == [1]
        assert store.table(tier="nobody's").empty


def test_what_a_recording_says_was_looked_at_is_taken_with_its_labels(tmp_path):
    labels = label_table([(1, 2, "tap", "truth", "ann")])
    spans = {"truth": [[0, 10], [20, 30], [40, 40]], "guess": [[0, 5]], "none": np.empty((0, 2))}
    recording = recording_of().with_labels(labels, labelled=spans)
    with LabelStore(tmp_path / "a.labels", recording=recording) as store:
        assert len(store.add_table(recording.labels, labelled=recording.labelled)) == 1
        held = store.apply(recording)
        assert held.labelled["truth"].tolist() == [[0, 10], [20, 30]]
        assert held.labelled["guess"].tolist() == [[0, 5]]
        assert held.labels.equals(recording.labels)
        assert store.labelled(rater="ann") == {}  # nobody knows who looked
        assert store.undo()
        assert store.labelled() == {}


def test_a_store_keeps_to_its_recording(tmp_path):
    path = tmp_path / "a.labels"
    LabelStore(path).close()
    LabelStore(path, recording="0123456789abcdef").close()
    fault = refused("other_recording", LabelStore, path, recording=recording_of())
    assert "0123456789abcdef" in str(fault)
    assert recording_of().id in str(fault)
    with pytest.raises(TypeError, match="recording is 7"):
        LabelStore(path, recording=7)


# Wrong input.


@pytest.mark.parametrize(
    ("fields", "kind", "match"),
    [
        ({"start_s": float("nan")}, ValueError, "start_s is nan, expected finite"),
        ({"stop_s": float("inf")}, ValueError, "stop_s is inf"),
        ({"stop_s": 10**400}, ValueError, "stop_s is inf"),
        ({"start_s": 3.0}, ValueError, "lies after stop_s 2.0"),
        ({"start_s": "1"}, TypeError, "expected a number of seconds"),
        ({"start_s": True}, TypeError, "expected a number of seconds"),
        ({"start_s": None}, TypeError, "expected a number of seconds"),
        ({"start_s": pd.NA}, TypeError, "expected a number of seconds"),
        ({"label": ""}, ValueError, "label is '' "),
        ({"label": " \n"}, ValueError, "not blank"),
        ({"label": "a\0b"}, ValueError, "no NUL"),
        ({"label": "a\ud800"}, ValueError, "half characters"),
        ({"label": "x" * (LONGEST_TEXT_BYTES + 1)}, ValueError, "65537 bytes"),
        ({"label": None}, TypeError, "label is None, expected text"),
        ({"label": b"tap"}, TypeError, "expected text"),
        ({"tier": " "}, ValueError, "tier is"),
        ({"rater": ""}, ValueError, "rater is"),
        ({"by": ""}, ValueError, "by is"),
    ],
)
def test_wrong_fields_are_refused(store, fields, kind, match):
    with pytest.raises(kind, match=match):
        store.add(**{"start_s": 1.0, "stop_s": 2.0, "label": "tap", **fields})
    assert store.table().empty
    if {"start_s", "stop_s"} & set(fields) and None not in fields.values():
        with pytest.raises(kind, match=match):
            store.look(**{"start_s": 1.0, "stop_s": 2.0, **fields})


def test_fields_of_any_number_type_are_taken(store):
    store.add(np.float32(0.5), np.int64(1), np.str_("tap"))
    store.add(-0.0, 5e-324, "tiny")
    assert store.table()["stop_s"].tolist() == [5e-324, 1.0]
    store.remove(*store.table().index)


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda store: store.look(1, 1), ValueError, "expected a span"),
        (lambda store: store.split(1, 1.0), ValueError, "within label 1"),
        (lambda store: store.split(1, float("nan")), ValueError, "at_s is nan"),
        (lambda store: store.merge([1]), ValueError, "at least two"),
        (lambda store: store.merge([1, 2]), ValueError, "of one label, tier and rater"),
        (lambda store: store.copy([1]), ValueError, "neither tier nor rater"),
        (lambda store: store.copy([1], tier=""), ValueError, "tier is"),
        (lambda store: store.change(1, seen={"colour": "red"}), ValueError, "colour"),
        (lambda store: store.change(1, start_s=9.0), ValueError, "lies after"),
        (lambda store: store.remove([1]), TypeError, "whole numbers"),
        (lambda store: store.remove("1"), TypeError, "whole numbers"),
        (lambda store: store.remove(0, -1, 2**70), RecordingError, "there are no labels"),
        (lambda store: store.remove(3), RecordingError, "there are no labels"),
        (lambda store: store.table(tier=3), TypeError, "tier is 3,"),
        (lambda store: store.undo(by=""), ValueError, "by is"),
        (lambda store: store.add_table([1]), TypeError, "expected a DataFrame"),
        (lambda store: store.write("x.xlsx"), ValueError, "expected one of"),
        (lambda store: store.read("x.elan"), ValueError, "expected one of"),
        (lambda store: store.read("x.csv", tier="truth"), ValueError, "names tier and rater itself"),
        (lambda store: store.read("missing.csv"), FileNotFoundError, "is no file"),
    ],
)
def test_wrong_calls_are_refused(store, call, kind, match):
    store.add(1, 2, "tap")
    store.add(1, 2, "pinch")
    store.look(0, 5)  # key 3 is no label
    with pytest.raises(kind, match=match):
        call(store)
    assert store.revision == 3


# Files that are none of ours, or hurt.


def other_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE thesis (years TEXT)")
    connection.close()


def changed_store(statement):
    def make(path):
        full_store(path)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(statement)
        connection.close()

    return make


def full_store(path):
    with LabelStore(path) as store:
        store.add_table(label_table([(number, number, "tap", "truth", "me") for number in range(2000)]))


def cut_store(most):
    def make(path):
        full_store(path)
        os.truncate(path, int(path.stat().st_size * most))

    return make


def overwritten_store(path):
    full_store(path)
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\x55" * 8192)


def cut_store_with_edits_beside(path):
    with LabelStore(path) as store:
        store.add_table(label_table([(number, number, "tap", "truth", "me") for number in range(5000)]))
        store._marks._run("PRAGMA wal_checkpoint(FULL)").fetchall()
        store.add(1, 2, "tap")
        for name in (path, path.with_name(path.name + "-wal")):
            shutil.copy(name, name.with_name(name.name.replace("a.", "b.")))
    for name in (path, path.with_name(path.name + "-wal")):
        name.with_name(name.name.replace("a.", "b.")).replace(name)
    os.truncate(path, 40_000)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_text("start_s,stop_s,label,tier,rater\n" * 100), "not_labels"),
        (lambda path: path.write_bytes(bytes(range(256)) * 64), "not_labels"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "not_labels"),
        (other_database, "not_labels"),
        (changed_store("PRAGMA application_id = 7"), "not_labels"),
        (changed_store("PRAGMA user_version = 2"), "schema"),
        (changed_store("DROP TABLE change"), "damaged"),
        (changed_store("CREATE TRIGGER t AFTER INSERT ON mark BEGIN DELETE FROM mark; END"), "damaged"),
        (changed_store("DELETE FROM store"), "damaged"),
        (cut_store(0.9), "damaged"),
        (cut_store(0.5), "damaged"),
        (cut_store(0.01), "damaged"),
        (overwritten_store, "damaged"),
        (cut_store_with_edits_beside, "damaged"),
    ],
)
def test_what_is_no_sound_store_is_refused_and_stays_as_it_is(tmp_path, make, code):
    path = tmp_path / "a.labels"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    for _ in range(2):
        assert refused(code, LabelStore, path).file == "a.labels"
        refused(code, LabelStore, path, recording="0123456789abcdef")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    if code != "damaged":
        assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("folder", "pipe", "loop"):
        refused("damaged", LabelStore, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="make it first"):
        LabelStore(tmp_path / "nowhere" / "a.labels")


def test_a_store_of_two_names_is_refused_by_each(tmp_path):
    path, other = tmp_path / "a.labels", tmp_path / "b.labels"
    with LabelStore(path) as store:
        store.add(1, 2, "tap")
        os.link(path, other)
        refused("second_name", LabelStore, other)  # its edits would be lost: SQLite has one -wal file a name
        store.add(2, 3, "tap")
    refused("second_name", LabelStore, path)
    shutil.copy(path, tmp_path / "c.labels")
    with LabelStore(tmp_path / "c.labels") as store:
        assert len(store.table()) == 2


def test_a_process_killed_while_it_made_the_store_does_not_lock_it(tmp_path):
    path, litter = tmp_path / "a.labels", tmp_path / ".labels.killed"
    LabelStore(path).close()
    litter.mkdir()
    os.link(path, litter / "new")
    LabelStore(path).close()


def test_edits_without_their_store_are_not_taken_for_another(tmp_path):
    (tmp_path / "a.labels-wal").write_bytes(b"edits")
    refused("lone_wal", LabelStore, tmp_path / "a.labels")
    assert [path.name for path in tmp_path.iterdir()] == ["a.labels-wal"]


def test_a_read_only_store_is_refused(tmp_path):
    path = tmp_path / "a.labels"
    LabelStore(path).close()
    before = path.read_bytes()
    path.chmod(0o400)
    refused("not_writable", LabelStore, path)
    path.chmod(0o600)
    tmp_path.chmod(0o500)
    refused("not_writable", LabelStore, path)
    tmp_path.chmod(0o700)
    assert path.read_bytes() == before


def test_a_store_locked_too_long_says_so_and_can_still_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE_S", 0.05)
    path = tmp_path / "a.labels"
    with LabelStore(path) as store:
        key = store.add(1, 2, "tap")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused("locked", store.add, 1, 2, "tap")
        refused("locked", store.undo)
        with LabelStore(path) as second:
            assert second.table().index.tolist() == [key]
        refused("locked", LabelStore, path, recording="0123456789abcdef")
        other.execute("ROLLBACK")
        other.close()
        assert store.undo()


def test_a_full_disk_keeps_what_was_there(store):
    key = store.add(1, 2, "tap")
    pages = store._marks._run("PRAGMA page_count").fetchone()[0]
    store._marks._run(f"PRAGMA max_page_count = {pages}").fetchall()
    refused("not_writable", store.add, 1, 2, "x" * 60_000)
    assert store.table().index.tolist() == [key]
    assert store.revision == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_an_edit_of_a_file_that_is_gone_is_refused(store, tmp_path, replaced):
    store.add(1, 2, "tap")
    (tmp_path / "a.labels").rename(tmp_path / "old")
    if replaced:
        (tmp_path / "a.labels").write_bytes(b"another")
    refused("moved", store.add, 3, 4, "tap")
    (tmp_path / "old").rename(tmp_path / "a.labels")
    store.add(3, 4, "tap")
    assert len(store.table()) == 2


# Files of labels.


def without_keys(store):
    return store.table().reset_index(drop=True)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".txt"])
def test_hostile_texts_come_back_exactly(store, tmp_path, suffix):
    texts = [text for text in HOSTILE if suffix != ".txt" or not set("\t\r\n") & set(text)]
    for number, text in enumerate(texts):
        other = "truth" if suffix == ".txt" else text
        store.add(number / 3, number + 1e-9, text, tier=other, rater=other)
    path = store.write(tmp_path / f"out{suffix}")
    options = {"tier": "truth", "rater": "truth"} if suffix == ".txt" else {}
    with LabelStore(tmp_path / "b.labels") as again:
        keys = again.read(path, **options)
        pd.testing.assert_frame_equal(without_keys(again), without_keys(store))
        assert keys == again.table().index.tolist()
        assert again.write(tmp_path / f"again{suffix}").read_bytes() == path.read_bytes()
        assert again.undo()
        assert again.table().empty
        assert again.revision == 2


SECONDS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
STARTS = st.builds("".join, st.tuples(st.text("'=+-@\t\r", max_size=3), WORDS))


@settings(max_examples=60)
@given(
    marks=st.lists(st.tuples(SECONDS, SECONDS, STARTS, WORDS, STARTS), max_size=4),
    suffix=st.sampled_from([".csv", ".json"]),
)
def test_any_table_comes_back_exactly(marks, suffix):
    table = label_table([(*sorted(mark[:2]), *mark[2:]) for mark in marks])
    with tempfile.TemporaryDirectory(dir=MEMORY) as name, LabelStore(Path(name) / "a.labels") as store:
        keys = store.add_table(table)
        before, path = without_keys(store), store.write(Path(name) / f"out{suffix}")
        store.remove(*keys)
        store.read(path)
        pd.testing.assert_frame_equal(without_keys(store), before)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".txt"])
def test_no_labels_come_back_as_none(store, tmp_path, suffix):
    assert store.read(store.write(tmp_path / f"out{suffix}")) == []


def test_csv_is_safe_in_a_spreadsheet_and_in_a_fixed_form(store, tmp_path):
    store.add(1e-7, 0.1, "=1+1")
    text = store.write(tmp_path / "out.csv").read_text()
    assert text == '"start_s","stop_s","label","tier","rater"\n1e-07,0.1,"\'=1+1","truth","me"\n'


def test_json_holds_what_was_looked_at_and_its_recording(tmp_path):
    with LabelStore(tmp_path / "a.labels", recording="0123456789abcdef") as store:
        key = store.add(1, 2, "tap")
        store.look(0, 5)
        path = store.write(tmp_path / "out.json")
        assert json.loads(path.read_text())["looked_at"] == [
            {"start_s": 0, "stop_s": 5, "tier": "truth", "rater": "me"}
        ]
        store.forget_look(0, 9)
        store.remove(key)
        assert len(store.read(path)) == 1
        assert store.labelled()["truth"].tolist() == [[0, 5]]
    with LabelStore(tmp_path / "b.labels", recording="fedcba9876543210") as other:
        refused("other_recording", other.read, path)
        assert other.table().empty


def test_a_label_track_is_audacitys(store, tmp_path):
    path = tmp_path / "track.txt"
    path.write_bytes(b"\xef\xbb\xbf0.100000\t0.250000\tpinch\r\n1.000000\t1.000000\tdouble tap\r\n")
    assert store.read(path, tier="sound", rater="ann") == [1, 2]
    assert rows(store) == [(1, 0.1, 0.25, "pinch", "sound", "ann"), (2, 1.0, 1.0, "double tap", "sound", "ann")]
    store.add(1e-7, 1e16, "far")
    with pytest.raises(ValueError, match="choose by tier="):
        store.write(tmp_path / "out.txt")
    text = store.write(tmp_path / "out.txt", tier="truth").read_text()
    assert text == "0.0000001\t10000000000000000.\tfar\n"
    store.add(0, 1, "a\tb")
    assert "tab" in str(refused("label_text", store.write, tmp_path / "out.txt", tier="truth"))
    assert (tmp_path / "out.txt").read_text() == text


def test_a_file_of_labels_never_replaces_the_store(tmp_path):
    with LabelStore(tmp_path / "a.csv") as store, pytest.raises(ValueError, match="label store itself"):
        store.write(tmp_path / "a.csv")


HEAD = "start_s,stop_s,label,tier,rater\n"


@pytest.mark.parametrize(
    ("name", "content", "code", "match"),
    [
        ("a.csv", b"", "label_file", "its header"),
        ("a.csv", b"a,b\n1,2\n", "label_file", "its header"),
        ("a.csv", HEAD + "1,2,x,truth\n", "label_file", "row 0: a row has 4 fields"),
        ("a.csv", HEAD + '1,2,x,truth,"m', "label_file", "cut or no CSV"),
        ("a.csv", HEAD + "1,2,x,truth,me\n1;5,2,x,truth,me\n", "label_file", "row 1: a time is '1;5'"),
        ("a.csv", HEAD + "1_0,20,x,truth,me\n", "label_file", "a time is '1_0'"),
        ("a.csv", HEAD + "nan,20,x,truth,me\n", "label_file", "a time is 'nan'"),
        ("a.csv", HEAD + "1,1e999,x,truth,me\n", "label", "stop_s is inf"),
        ("a.csv", HEAD + "3,2,x,truth,me\n", "label", "lies after"),
        ("a.csv", HEAD + "1,2,,truth,me\n", "label", "label is ''"),
        ("a.csv", HEAD + f"1,2,{'x' * 200_000},truth,me\n", "label_file", "field larger"),
        ("a.csv", HEAD.encode() + b"1,2,\xff,truth,me\n", "encoding", "byte 36"),
        ("a.csv", HEAD.encode("utf-16"), "encoding", "UTF-8"),
        ("a.json", "[]", "label_file", "not the JSON of labels"),
        ("a.json", "{", "label_file", "not the JSON of labels"),
        ("a.json", "[" * 100_000, "label_file", "not the JSON of labels"),
        ("a.json", '{"recording": 7, "labels": [], "looked_at": []}', "label_file", "its recording is '7'"),
        ("a.json", '{"recording": null, "labels": [{"start_s": 1}], "looked_at": []}', "label_file", "stop_s"),
        ("a.txt", "1\t2\n", "label_file", "row 0: a line has 2 fields"),
        ("a.txt", "1,5\t2\tx\n", "label_file", "a time is '1,5'"),
        ("a.txt", "1\t2\tx\n\\\t100\t200\n", "label_file", "row 1: a line holds a frequency range"),
        ("a.txt", "1\t2\t\n", "label", "row 0: label is ''"),
    ],
)
def test_a_wrong_file_of_labels_is_refused_as_a_whole(store, name, content, code, match):
    path = store.path.with_name(name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    fault = refused(code, store.read, path)
    assert match in str(fault)
    assert fault.file == name
    assert store.revision == 0


def test_a_label_in_json_must_be_text(store, tmp_path):
    entry = {"start_s": 1, "stop_s": 2, "label": None, "tier": "truth", "rater": "me"}
    for field, value in {"label": None, "start_s": "1", "stop_s": float("nan"), "tier": 3}.items():
        held = {"recording": None, "labels": [entry | {"label": "x"} | {field: value}], "looked_at": []}
        (tmp_path / "a.json").write_text(json.dumps(held))
        assert refused("label", store.read, tmp_path / "a.json").row == 0


def test_the_labels_of_one_rater_alone_go_into_a_recording(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    for rater, start_s in (("anna", 1.0), ("bert", 1.1)):
        store.add(start_s, start_s + 1, "tap", rater=rater)
        store.look(0.0, 5.0 * start_s, rater=rater)
    stream = Stream.measured("accel", np.arange(500) / 50, np.zeros((500, 3)))
    applied = store.apply(Recording.of([stream]), rater="bert")
    assert applied.labels["start_s"].tolist() == [1.1]
    assert applied.labelled["truth"].tolist() == [[0.0, 5.5]]
