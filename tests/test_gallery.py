"""The gallery of errors: what it draws, opens and remembers, without a browser."""

import io
import json
import threading

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, label_table
from wristkit.view import gallery, marking
from wristkit.view.gallery import FAILURE_COLUMNS, MARK_COLOURS
from wristkit.view.marking import MARKS

HOSTILE = ["<img src=x onerror=alert(1)>", "$\\frac", "a_$b^$", "_hidden", "x" * 10_000, "\u202eevil\u2066\n\x00"]
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def person(*, subject: str = "P01", seed: int = 0, gap: bool = False) -> Recording:
    time_s = np.arange(0, 60, 0.02)
    if gap:
        time_s = time_s[(time_s < 10) | (time_s > 11)]
    values = np.random.default_rng(seed).normal(size=(len(time_s), 3))
    heart = Stream.measured("heart_rate", np.arange(0, 60.0), np.full(60, 60.0))
    labels = label_table([(11.0, 11.2, "tap", "truth", "sim"), (50.0, 50.2, "tap", "truth", "sim")])
    return Recording.of([heart, Stream.measured("accel", time_s, values)], labels=labels, subject=subject)


def failure_table(count: int = 3, *, people: tuple[Recording, ...] = ()) -> pd.DataFrame:
    recordings = people or (person(), person(subject="P02", seed=1))
    rows = [
        (
            recordings[i % 2].id,
            recordings[i % 2].subject,
            ("false alarm", "miss")[i % 2],
            "tap",
            10.0 + i,
            10.2 + i,
            0.5 + i / 100,
        )
        for i in range(count)
    ]
    table = pd.DataFrame(rows, columns=list(FAILURE_COLUMNS))
    table.attrs["recordings"] = {recording.id: recording for recording in recordings}
    return table


def pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


class Front:
    """A front end of a live gallery, without a browser: it sends what the browser sends and keeps what it gets."""

    def __init__(self, shown):
        self.panel = shown.panel()
        self.live, self.below = self.panel.children
        self.got = []
        self.live.send = lambda content, buffers=None: self.got.append(content)

    def ask(self, kind, **fields):
        self.live._receive(None, {"kind": kind, "id": str(len(self.got)), **fields}, [])
        answer = self.got[-1]
        assert answer["id"] == str(len(self.got) - 1)
        return answer.get("error")


def test_gallery_shows_the_worst_first():
    table = failure_table(4).assign(kind=["false alarm", "miss", "false alarm", "miss"], score=[0.7, 0.1, 0.95, np.nan])
    shown = gallery(table).failures
    assert shown["kind"].tolist() == ["miss", "false alarm", "miss", "false alarm"]
    np.testing.assert_array_equal(shown["score"], [np.nan, 0.95, 0.1, 0.7])


def test_gallery_tiles_show_the_signal_around_each_error():
    shown = gallery(failure_table(3))
    shown.mark(1, "hard negative")
    figure = shown.figure()
    assert len(figure.axes) == 3
    for ax, (place, failure) in zip(figure.axes, shown.shown.iterrows(), strict=True):
        assert ax.get_xlim() == (failure["start_s"] - 2, failure["stop_s"] + 2)
        what, where, *mark = (text.get_text() for text in ax.texts)
        assert f"{failure['kind']}  ·  {failure['label']}" in what
        assert failure["subject"] in where
        assert f"{failure['score']:.2f}" in where
        assert mark == (["hard negative"] if place == 1 else [])
        corners = ax.patches[0].get_corners()
        np.testing.assert_allclose(corners[:, 0].min(), failure["start_s"])
        np.testing.assert_allclose(corners[:, 0].max(), failure["stop_s"])


def test_gallery_turns_pages_of_twelve():
    shown = gallery(failure_table(14))
    assert (shown.pages, len(shown.figure().axes)) == (2, 12)
    first = shown.png()
    shown.page = 1
    assert len(shown.figure().axes) == 2
    assert shown.png() != first
    with pytest.raises(ValueError, match="there is no page 2, the gallery has 2"):
        shown.page = 2
    assert repr(shown) == "Gallery(7 false alarms, 7 misses; page 2 of 2)"


def test_an_error_opens_in_the_one_viewer_of_its_recording():
    shown = gallery(failure_table(4))
    viewers = {}
    for place, failure in shown.failures.iterrows():
        viewer = shown.open(place)
        assert viewer.recording.id == failure["recording"]
        assert viewer.start_s < failure["start_s"] < failure["stop_s"] < viewer.start_s + viewer.width_s
        assert viewers.setdefault(failure["recording"], viewer) is viewer
    with pytest.raises(ValueError, match="there is no error 4"):
        shown.open(4)


def test_the_viewer_shows_what_was_detected_and_no_miss():
    recording = person()
    recording = recording.with_labels(recording.labels, labelled={"truth": np.array([[0.0, 60.0]])})
    found = pd.DataFrame(
        [(50.0, 50.2, "tap", 0.9, 50.3), (30.0, 30.2, "tap", 0.8, 30.3)],
        columns=["start_s", "stop_s", "label", "score", "decided_s"],
    )
    shown = gallery(wk.failures(wk.evaluate(found, [recording])))
    assert sorted(shown.failures["kind"]) == ["false alarm", "miss"]
    assert shown.open(0).events["start_s"].tolist() == [30.0, 50.0]
    again = gallery(shown.failures[shown.failures["kind"] == "miss"])
    assert again.open(0).events["start_s"].tolist() == [30.0, 50.0]
    bare = failure_table(4)
    alarms = bare[bare["kind"] == "false alarm"]["start_s"].tolist()
    assert gallery(bare).open(0).events["start_s"].tolist() == alarms


def test_tiles_carry_the_signal_and_break_it_at_gaps():
    shown = gallery(failure_table(2, people=(person(gap=True), person(subject="P02", seed=1))))
    front = Front(shown)
    for one, (place, failure) in zip(front.live.tiles, shown.failures.iterrows(), strict=True):
        recording = shown.recordings[failure["recording"]]
        time_s = np.frombuffer(one["time"], np.float64)
        values = np.array([np.frombuffer(channel, np.float32) for channel in one["values"]]).T
        assert (one["place"], one["error"]) == (place, [failure["start_s"], failure["stop_s"]])
        assert one["span"] == [failure["start_s"] - 2, failure["stop_s"] + 2]
        assert (np.diff(time_s) >= 0).all()
        assert np.isnan(values[:, 0]).sum() == len(one["gaps"]) == (failure["subject"] == "P01")
        inside = recording["accel"].between(*one["span"])
        held = values[np.isin(time_s, inside.time) & np.isfinite(values[:, 0])]
        np.testing.assert_array_equal(held, inside.values)
        assert one["stream"] == "accel (g)"


def test_a_front_end_opens_errors_and_turns_pages():
    shown = gallery(failure_table(14))
    front = Front(shown)
    assert shown.panel() is front.panel
    assert front.ask("hello") is None
    assert front.ask("open", place=3) is None
    assert front.below.children == (shown.open(3).panel(),)
    assert front.live.opened == 3
    assert front.ask("page", page=1) is None
    assert (shown.page, len(front.live.tiles), front.live.meta["page"]) == (1, 2, 1)
    assert front.ask("open", place=None) is None
    assert (front.below.children, front.live.opened) == ((), None)
    shown.page = 0
    assert len(front.live.tiles) == 12
    assert "there is no page 7" in front.ask("page", page=7)
    assert "there is no error 99" in front.ask("open", place=99)
    assert front.ask("fly") is not None
    assert front.ask("open", place="x") is not None


def test_marks_come_back_as_a_table():
    shown = gallery(failure_table(14))
    front = Front(shown)
    shown.page = 1
    assert front.ask("mark", place=13, mark="real error") is None
    shown.mark(2, "hard negative")
    shown.mark(0, "label error")
    shown.mark(0, None)
    expected = shown.failures.iloc[[2, 13]].assign(mark=["hard negative", "real error"])
    pd.testing.assert_frame_equal(shown.marks, expected)
    assert (front.live.marks, front.live.counts) == ([None, "real error"], [0, 1, 1])
    assert repr(shown) == "Gallery(7 false alarms, 7 misses, 2 marked; page 2 of 2)"
    for wrong, told in (
        ((14, "real error"), "no error 14"),
        ((0, "odd"), r"is 'odd', expected one of \['label error'"),
    ):
        with pytest.raises(ValueError, match=told):
            shown.mark(*wrong)
        assert front.ask("mark", place=wrong[0], mark=wrong[1]) is not None
    assert len(shown.marks) == 2
    assert set(MARK_COLOURS) == set(MARKS)


def test_a_table_of_marks_is_shown_with_them():
    first = gallery(failure_table(6))
    first.mark(1, "hard negative")
    first.mark(4, "label error")
    again = gallery(first.marks)
    pd.testing.assert_frame_equal(again.marks, first.marks.reset_index(drop=True))
    assert len(again.failures) == 2
    with pytest.raises(ValueError, match="the mark is 'odd'"):
        gallery(first.marks.assign(mark="odd"))


def test_kept_marks_are_read_by_the_next_gallery(tmp_path):
    path, table = tmp_path / "marks.json", failure_table(6).assign(label=HOSTILE)
    first = gallery(table, keep=path)
    assert not path.exists()
    for place in range(6):
        first.mark(place, MARKS[place % 3])
    again = gallery(table, keep=str(path))
    pd.testing.assert_frame_equal(again.marks, first.marks)
    less = gallery(failure_table(6), keep=path)  # another evaluation: none of these errors
    assert less.marks.empty
    less.mark(0, "label error")
    assert len(json.loads(path.read_text())) == 7
    assert len(gallery(table, keep=path).marks) == 6
    assert Front(again).live.meta["kept"]
    assert not Front(gallery(table)).live.meta["kept"]


def test_two_galleries_of_one_file_lose_nothing(tmp_path):
    path, table = tmp_path / "marks.json", failure_table(6)
    one, other = gallery(table, keep=path), gallery(table, keep=path)
    threads = [
        threading.Thread(target=lambda shown=shown, places=places: [shown.mark(p, "real error") for p in places])
        for shown, places in ((one, (0, 1, 2)), (other, (3, 4, 5)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.mark(0, None)
    assert gallery(table, keep=path).marks.index.tolist() == [1, 2, 3, 4, 5]
    path.unlink()
    one.mark(0, "label error")  # a file that was taken away comes back whole
    assert len(gallery(table, keep=path).marks) == 6


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[1]", '[{"mark": "label error"}]', "a,b\n1,2\n", '[{"recording":"r","kind":"miss"}]', "[" * 9999),
        f'[{{"recording":"r","kind":"miss","label":"","start_s":{"9" * 400},"stop_s":1,"mark":"real error"}}]',
    ],
)
def test_a_file_of_something_else_is_not_overwritten(tmp_path, text):
    path = tmp_path / "marks.json"
    shown = gallery(failure_table(), keep=path)
    path.write_text(text)
    with pytest.raises(RecordingError, match=r"marks\.json: .*nothing is overwritten"):
        shown.mark(0, "label error")
    assert "nothing is overwritten" in Front(shown).ask("mark", place=0, mark="label error")
    assert shown.marks.empty
    with pytest.raises(RecordingError, match="mark_file"):
        gallery(failure_table(), keep=path)
    assert path.read_text() == text


def test_a_folder_is_no_file_of_marks(tmp_path):
    (tmp_path / "marks.json").mkdir()
    with pytest.raises(RecordingError, match="mark_file"):
        gallery(failure_table(), keep=tmp_path / "marks.json")


def test_marks_are_kept_only_where_that_is_clear(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.json"):
        gallery(failure_table(), keep=tmp_path / "marks.csv")
    with pytest.raises(FileNotFoundError, match="make it first"):
        gallery(failure_table(), keep=tmp_path / "no" / "marks.json")
    with pytest.raises(ValueError, match="by the column mark and by keep"):
        gallery(failure_table().assign(mark=None), keep=tmp_path / "marks.json")


def test_a_file_with_a_field_more_is_not_overwritten(tmp_path):
    path = tmp_path / "marks.json"
    gallery(failure_table(), keep=path).mark(0, "label error")
    (row,) = json.loads(path.read_text())
    for changed in ({**row, "note": "mine"}, {**row, "start_s": "1"}, {**row, "mark": "odd"}, {**row, "label": 1}):
        path.write_text(json.dumps([changed]))
        with pytest.raises(RecordingError, match="mark_file"):
            gallery(failure_table(), keep=path)


def test_a_mark_that_cannot_be_kept_is_not_shown(tmp_path, monkeypatch):
    shown = gallery(failure_table(), keep=tmp_path / "marks.json")
    front = Front(shown)
    shown.mark(1, "label error")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(marking, "atomic_write", full)
    assert "No space left" in front.ask("mark", place=0, mark="hard negative")
    assert front.live.marks == [None, "label error", None]
    assert len(shown.marks) == 1


def test_rows_that_name_one_error_share_its_mark():
    table = failure_table(4)
    twice = pd.concat([table, table.iloc[[0]]], ignore_index=True)
    twice.attrs = dict(table.attrs)
    shown = gallery(twice)
    place = shown.failures.index[shown.failures["start_s"] == 10.0]
    shown.mark(int(place[0]), "label error")
    assert shown.marks.index.tolist() == place.tolist()


def test_handlers_on_many_threads_leave_one_consistent_state(tmp_path):
    shown = gallery(failure_table(14), keep=tmp_path / "marks.json")
    front = Front(shown)

    def work(seed):
        for place in range(seed, 14, 4):
            front.live._receive(None, {"kind": "page", "id": "", "page": place // 12}, [])
            front.live._receive(None, {"kind": "mark", "id": "", "place": place, "mark": MARKS[place % 3]}, [])
            front.live._receive(None, {"kind": "open", "id": "", "place": place}, [])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for one in front.got if "error" in one] == []
    assert shown.marks["mark"].tolist() == [MARKS[place % 3] for place in range(14)]
    assert front.live.counts == [5, 5, 4]
    assert front.below.children == (shown.open(front.live.opened).panel(),)


def test_no_errors_is_a_friendly_picture():
    empty = gallery(failure_table(2).iloc[:0])
    assert pixels(empty.png()).std() > 0
    assert "nothing to show" in empty.figure().texts[0].get_text()
    assert set(empty._repr_mimebundle_()) == {"text/plain", "image/png", WIDGET_MIME}
    assert repr(empty) == "Gallery(0 false alarms, 0 misses; page 1 of 1)"
    assert empty.marks.empty
    assert Front(empty).live.tiles == []


@pytest.mark.parametrize("score", [None, pd.NA, np.nan])
def test_a_score_that_is_missing_in_any_way_is_none(score):
    table = failure_table(2)
    table["score"] = pd.Series([score, 0.5], dtype=object)
    assert gallery(table).panel().children[0].tiles[0]["where"].startswith("11.0 s")
    assert "no score" in gallery(table).panel().children[0].tiles[1]["where"]


def test_a_page_or_place_is_a_whole_number():
    shown = gallery(failure_table(30))
    for wrong in (0.5, "1", None):
        with pytest.raises(TypeError):
            shown.page = wrong
        with pytest.raises(TypeError):
            shown.mark(wrong, "real error")
    assert (shown.page, len(shown.shown)) == (0, 12)
    shown.page = np.int64(1)
    assert shown.page == 1


def test_gallery_refuses_tables_it_cannot_show():
    table = failure_table()
    bare = pd.DataFrame(table.to_dict("list"))
    with pytest.raises(ValueError, match=r"set failures.attrs\['recordings'\]"):
        gallery(bare)
    with pytest.raises(ValueError, match=r"lack the columns \['score'\]"):
        gallery(table.drop(columns="score"))
    with pytest.raises(ValueError, match=r"of kind \['oops'\]"):
        gallery(table.assign(kind="oops"))
    with pytest.raises(ValueError, match="no time or end before they start"):
        gallery(table.assign(stop_s=np.nan))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_the_gallery(text):
    shown = gallery(failure_table(2).assign(label=text, subject=text))
    assert pixels(shown.png()).size
    for one in Front(shown).live.tiles:
        sent = one["what"] + one["where"]
        assert len(sent) < 120
        assert not any(char in sent for char in "\u202e\u2066\n\x00")
