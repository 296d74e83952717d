"""A model card holds the numbers of its report, shows names as text, needs nothing else, and is the same each time."""

import base64
import dataclasses
import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib.image import imread

import wristkit as wk
from tests.reported import HOUR_S, found, person, report_of
from wristkit.condition import Conditioning
from wristkit.detector import Detector, DetectorSpec
from wristkit.errors import RecordingError
from wristkit.evaluate import continuous_report, evaluate, stack, window_report
from wristkit.events import EventDecoder, Scores
from wristkit.models import build
from wristkit.recording import Recording, Stream, label_table
from wristkit.train import Fit
from wristkit.view.card.page import number
from wristkit.windows import PeopleSplit

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;\u202e'


def scored(*, truths=(100, 200, 300), subject="a"):
    """Return a report with scores, of a detector that finds all but the last and once more than there is."""
    recording = person(truths, subject=subject)
    centre_s = np.arange(0, HOUR_S)
    tap = np.full(len(centre_s), 0.01)
    tap[[*truths[:2], 900]] = (0.9, 0.8, 0.7)
    scores = Scores.of(
        centre_s + 0.5,
        np.column_stack([1 - tap, tap]).astype(np.float32),
        classes=("none", "tap"),
        centre_s=centre_s,
        hop_s=1.0,
    )
    decoder = EventDecoder()
    return evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)


def fit_of(*, trained_on=(), train=("t1",), stop=("t2",), held_out=("a",), classes=("none", "tap")):
    recording = Recording.of([Stream.measured("accel", np.arange(0, 10, 0.02), np.zeros((500, 3)))])
    conditioning = Conditioning.of([recording], streams=("accel",), rate_hz=50.0)
    torch.manual_seed(0)
    shape = {
        "name": "tcn",
        "channels": conditioning.channels,
        "classes": classes,
        "samples": 100,
        "hop": 25,
        "width": 8,
    }
    net = build(**shape)
    spec = DetectorSpec(conditioning, 100, 25, classes, EventDecoder(high=0.7), shape, trained_on)
    history = pd.DataFrame(
        {"epoch": [1], "learning_rate": 1e-3, "train_loss": 1.0, "stop_loss": 1.0, "stop_macro_f1": 0.5}
    )
    empty = pd.DataFrame(columns=["truth", "predicted"], dtype=object)
    return Fit(
        net, spec, history, empty, PeopleSplit(train, stop, held_out, ""), ("a note of the fit",), seed=7, threads=1
    )


def card(report, folder, **asked):
    """Return the text of a card, its tables as lists of rows, and its tree."""
    tree = BeautifulSoup(wk.report(report, folder / "card.html", **asked).read_text(encoding="utf-8"), "html.parser")
    tables = [
        [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in one.find_all("tr")]
        for one in tree.find_all("table")
    ]
    return " ".join(tree.get_text(" ").split()), tables, tree


def table_under(tree, title):
    heading = next(one for one in tree.find_all("h2") if one.get_text() == title)
    return [
        [cell.get_text() for cell in row.find_all(["th", "td"])] for row in heading.find_next("table").find_all("tr")
    ]


@pytest.fixture(scope="module")
def people():
    six = {f"P{one}": ([10, 100, 200], [10, 100, 500][: one % 4]) for one in range(6)}
    return report_of(**six)


def test_the_card_holds_the_figures_of_its_report(people, tmp_path):
    text, tables, tree = card(people, tmp_path)
    tiles = {one.find("span").get_text(): one.get_text(" ") for one in tree.select(".tiles div")}
    assert tiles["recall"] == (
        f"recall {number(people.recall)} {number(people.recall_share.low)} to {number(people.recall_share.high)}, "
        f"{people.recall_share.hits} of 18; over people {' to '.join(map(number, people.recall_over_people))}"
    )
    alarms = people.false_alarms
    interval = f"{number(alarms.low)} to {number(alarms.high)}, {alarms.alarms} in 6 h"
    assert tiles["false alarms per hour"].startswith(f"false alarms per hour {number(alarms.per_hour)} {interval}")
    assert number(people.precision) in tiles["precision"]
    assert number(people.f1) in tiles["F1"]
    assert f"{number(people.latency_median_s)} s" in tiles["latency"]
    rows = next(one for one in tables if one[0][0] == "subject")[1:]
    assert [row[0] for row in rows] == list(people.by_subject.index)
    for row, (_, figures) in zip(rows, people.by_subject.iterrows(), strict=True):
        assert row[1:4] == [str(int(figures[name])) for name in ("hits", "misses", "false_alarms")]
        assert (
            row[4]
            == f"{number(figures['recall'])} ({number(figures['recall_low'])} to {number(figures['recall_high'])})"
        )
    data = table_under(tree, "Data")[1:]
    late = table_under(tree, "How late")[1]
    assert late == ["tap", str(people.recall_share.hits), "1.5 (1.5 to 1.5)", "1.5"]
    assert [row[0] for row in data] == list(people.recordings)
    assert {row[2] for row in data} == {"a wearer"}
    assert "6 recordings of 6 people" in text


def test_pictures_are_inside_and_say_what_they_show(people, tmp_path):
    _, _, tree = card(people, tmp_path)
    images = tree.find_all("img")
    assert len(images) == 3
    for one in images:
        kind, _, data = one["src"].partition(",")
        assert kind == "data:image/png;base64"
        assert imread(io.BytesIO(base64.b64decode(data))).shape[1] > 800
        assert len(one["alt"]) > 30
    assert "worst first" in images[-1]["alt"]


def test_the_page_asks_for_nothing_and_runs_nothing(people, tmp_path):
    html = wk.report(people, tmp_path / "card.html").read_text()
    assert re.findall(r"https?:|@import|<script|<link (?!rel=\"icon\" href=\"data:,\")", html) == []
    assert "default-src 'none'" in html
    ids = re.findall(r'<h2 id="([^"]+)"', html)
    assert re.findall(r'<a href="#([^"]+)"', html) == ids


def test_the_same_report_gives_the_same_bytes(people, tmp_path):
    first = wk.report(people, tmp_path / "one.html").read_bytes()
    assert wk.report(people, tmp_path / "deep" / "two.html").read_bytes() == first


def test_hostile_names_are_text_everywhere(tmp_path):
    report = report_of(label=HOSTILE, **{HOSTILE: ([10, 20], [10, 90])}, source={"format": HOSTILE, "device": HOSTILE})
    report = dataclasses.replace(report, notes=(HOSTILE,))
    fit = fit_of(train=(HOSTILE,), classes=("none", HOSTILE))
    text, _, tree = card(report, tmp_path, model=fit, title=HOSTILE)
    assert tree.find("script") is None
    assert all(one["src"].startswith("data:image/png") for one in tree.find_all("img"))
    assert {name for tag in tree.find_all() for name in tag.attrs if name.startswith("on")} == set()
    assert text.count("<script>alert(2)</script>") >= 8
    assert tree.find("h1").get_text().startswith("<img src=x")
    assert "\\u202e" in tree.find("h1").get_text()


def test_no_false_alarm_is_a_bound_in_every_place(tmp_path):
    text, tables, _ = card(report_of(a=([10], [10])), tmp_path)
    assert "at most 3" in text
    assert "No false alarm in 1 h is not none: up to 3 an hour (72 a day)" in text
    assert tables[0][1][8] == "at most 3"
    assert "0 in 1 h; at most 72 a day; too few people" in text
    rate = costs().assign(fp_per_hour=0.0, hours=2.0)
    text, _, tree = card(report_of(a=([10], [10])), tmp_path, robustness=rate)
    assert table_under(tree, "On a worse watch")[1][3] == "at most 1.5"
    assert "1 person cannot say how the next one fares" in text
    assert "Recall rests on 1 true event;" in text


def test_simulated_figures_are_called_simulated(tmp_path):
    all_, _, tree = card(report_of(a=([10], [10]), source={"format": "csv", "device": "simulated"}), tmp_path)
    assert "All hours are simulated" in tree.select_one(".failed").get_text()
    assert "real wearers: there is no real recording" in all_
    mixed = [person([10], subject="a", source={"format": "simulated"}), person([10], subject="b", seed=1)]
    text, _, tree = card(evaluate(stack({one.id: found(10) for one in mixed}), mixed), tmp_path)
    assert "figures are of the others" in tree.select_one(".failed").get_text()
    assert "1 of 2 hours are simulated" in tree.select_one(".failed").get_text()
    assert {row[0] for row in table_under(tree, "Real and simulated")[1:]} == {"real", "simulated"}
    assert "real wearers" not in text
    put_in = dataclasses.replace(mixed[1], source={**mixed[1].source, "injected": "tap"})
    text, _, tree = card(evaluate(stack({put_in.id: found(10)}), [put_in]), tmp_path)
    assert "Simulated events were injected into 1 of 1 recordings" in tree.select_one(".failed").get_text()
    assert table_under(tree, "Data")[1][2] == "a wearer, events injected"
    none, _, tree = card(report_of(a=([10], [10])), tmp_path)
    assert tree.select_one(".failed") is None
    assert "simulated" not in none


def test_unlabelled_hours_and_no_event_are_said(tmp_path):
    text, _, tree = card(evaluate(found(10, 50), person([10], labelled=False)), tmp_path)
    assert "nothing is known about false alarms" in text
    assert "Not judged at all: 1 detections where nobody looked." in text
    assert "\N{EN DASH} no labelled hours" in tree.select(".tiles div")[1].get_text(" ")
    text, _, _ = card(evaluate(found(10), person([])), tmp_path)
    assert "Never true here, so without a recall: tap." in text
    assert "There was no true event, so there is no recall." in text
    assert "no hit" in text


def test_what_another_recording_has_counted_is_said(tmp_path):
    copies = [person([10 * (k + 1)], seed=k, source={"content_hash": "f00d"}) for k in range(2)]
    report = evaluate(stack({one.id: found(50) for one in copies}), copies)
    text, _, _ = card(report, tmp_path)
    assert "Not judged at all: 1 detections in hours that another recording has counted." in text


def test_the_curve_is_marked_at_the_detectors_own_point_or_where_asked(tmp_path):
    report = scored()
    _, _, tree = card(report, tmp_path)
    own = tree.find("img")["alt"]
    assert f"threshold {report.decoder.high:.3f}: recall {report.recall_share}" in own
    text, _, tree = card(report, tmp_path, fp_per_hour=0.5)
    point = report.at(fp_per_hour=0.5)
    assert str(point) in tree.find("img")["alt"]
    assert point.note in text
    with pytest.raises(ValueError, match="scores= and decoder="):
        wk.report(report_of(a=([10], [10])), tmp_path / "none.html", fp_per_hour=0.6)
    unlabelled = evaluate(found(), person([10], labelled=False))
    with pytest.raises(RecordingError, match="no labelled hours"):
        wk.report(unlabelled, tmp_path / "none.html", fp_per_hour=0.6)
    assert not (tmp_path / "none.html").exists()


def test_the_detector_stands_with_what_it_hears_and_how_it_decides(tmp_path):
    report, fit = scored(), fit_of()
    text, _, tree = card(report, tmp_path, model=fit)
    rows = dict(table_under(tree, "Detector"))
    assert rows["net"].startswith("tcn (")
    assert rows["parameters"] == f"{sum(one.numel() for one in fit.model.parameters()):,}"
    assert rows["classes"] == "none (background), tap"
    assert rows["listens to"] == "accel x, y, z (g)"
    assert "Resample(rate_hz=50.0)" in rows["conditioning"]
    assert rows["window"] == "2 s (100 samples at 50 Hz), every 0.5 s"
    assert rows["decoder: high"] == "0.7"
    assert rows["weights"] == fit.weights_sha256
    training = dict(table_under(tree, "Training"))
    assert training["held out (1)"] == "a"
    assert training["seed"] == "7"
    assert training["note"] == "a note of the fit"
    assert "none was given (model=)" not in text


def test_a_detector_alone_leaves_open_whose_its_recordings_were(tmp_path):
    text, _, tree = card(scored(), tmp_path, model=Detector(fit_of().spec, fit_of().model))
    assert "whether these people are new" in text
    assert "Training" not in {one.get_text() for one in tree.find_all("h2")}
    assert "none was given (model=)" in card(scored(), tmp_path)[0]


def test_recordings_and_people_that_were_trained_on_are_limits(tmp_path):
    report = scored()
    (name,) = report.recordings
    text, _, _ = card(report, tmp_path, model=fit_of(trained_on=(name,), train=("a",), held_out=()))
    assert "1 of 1 recordings were trained or tuned on" in text
    assert "1 of 1 people were trained or tuned on (a)" in text
    told = dataclasses.replace(report, notes=("1 of 1 recordings were trained or tuned on: as the detector said",))
    text, _, _ = card(told, tmp_path, model=fit_of(trained_on=(name,)))
    assert text.count("recordings were trained or tuned on") == 1
    assert "trained or tuned on" not in card(report, tmp_path, model=fit_of())[0]


def costs():
    rows = [
        ("none", 3, 0, "", 0.9, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, ""),
        ("loose strap", 3, 1, "strap", 0.5, 0.4, 0.3, 0.5, 3.0, 2.0, 1.0, 4.0, ""),
    ]
    columns = [
        "damage",
        "recordings",
        "refused",
        "noticed",
        "recall",
        "recall_drop",
        "recall_drop_low",
        "recall_drop_high",
    ]
    rises = ["fp_per_hour", "fp_per_hour_rise", "fp_per_hour_rise_low", "fp_per_hour_rise_high", "note"]
    return pd.DataFrame(rows, columns=[*columns, *rises])


def test_damage_and_context_are_shown_where_they_are_given(tmp_path):
    recording = person([10])
    labels = pd.concat([recording.labels, label_table([(0.0, 60.0, "typing", "activity", "me")])], ignore_index=True)
    report = evaluate(found(10, 50), recording.with_labels(labels, labelled=recording.labelled))
    text, _, tree = card(report, tmp_path, robustness=costs(), context="activity")
    assert table_under(tree, "On a worse watch")[2] == [
        *("loose strap", "0.5", "0.4 (0.3 to 0.5)", "3", "2 (1 to 4)", "1 of 3", "strap"),
    ]
    assert table_under(tree, "By activity")[1][0] == "typing"
    assert "wristkit.robustness was not given" not in text
    bare = card(report, tmp_path)[0]
    assert "wristkit.robustness was not given" in bare
    assert "no tier was given (context=)" in bare


def predictions(count=120):
    rng = np.random.default_rng(0)
    classes = np.array(["rest", "walk"], dtype=object)
    truth = rng.integers(0, 2, count)
    walk = np.clip(0.5 + (truth - 0.5) * 0.6 + rng.normal(0, 0.25, count), 0.01, 0.99)
    place = np.arange(count)
    rows = {
        "recording": place % 3,
        "subject": place % 3,
        "fold": place % 3,
        "start_s": place * 1.0,
        "stop_s": place + 2.0,
    }
    table = pd.DataFrame(rows).astype({"recording": str, "subject": str})
    return table.assign(truth=classes[truth], predicted=classes[(walk > 0.5).astype(int)], rest=1 - walk, walk=walk)


def test_windows_have_a_card(tmp_path):
    report = window_report(predictions())
    text, tables, tree = card(report, tmp_path)
    tiles = {one.find("span").get_text(): one.find("b").get_text() for one in tree.select(".tiles div")}
    assert tiles["macro f1"] == number(report.macro_f1)
    assert tiles["calibration error"] == number(report.calibration_error)
    assert "120 windows of 3 recordings of 3 people" in text
    assert "Windows are no events" in text
    assert report.notes[0] in text
    assert [row[1] for row in tables[0][1:]] == [str(one) for one in report.by_class["windows"]]


def test_windows_of_simulated_people_are_called_so(tmp_path):
    report = window_report(predictions())
    text, _, tree = card(report, tmp_path)
    assert tree.select_one(".failed") is None
    assert "a table of predictions does not say" in text
    fit = dataclasses.replace(fit_of(), notes=("all recordings are simulated",))
    noted = dataclasses.replace(report, notes=("5 of 5 recordings are simulated",))
    for asked, words in (((report, fit), "all recordings"), ((noted, None), "5 of 5 recordings")):
        text, _, tree = card(asked[0], tmp_path, model=asked[1])
        assert words in tree.select_one(".failed").get_text()
        assert "does not say" not in text


def test_who_has_no_name_is_nobody(tmp_path):
    held = [person([10, 20], subject=name, seed=seed) for seed, name in enumerate(["a", "b", None, None])]
    text, _, tree = card(evaluate(stack({one.id: found(10) for one in held}), held), tmp_path)
    assert "4 recordings of 2 people" in text
    assert "2 people cannot say how the next one fares" in text
    assert "Recordings without a subject are nobody's" in text
    recall = tree.select(".tiles div")[0].get_text(" ")
    assert "2 with data, as what has no subject is nobody's, 5 are needed" in recall


def test_all_hits_have_no_interval_over_people_and_it_is_said(tmp_path):
    _, _, tree = card(report_of(**{f"P{one}": ([10, 20], [10, 20]) for one in range(6)}), tmp_path)
    tiles = [one.get_text(" ") for one in tree.select(".tiles div")]
    assert "no interval over people, as all are hits" in tiles[0]
    assert "no interval over people, as the count is 0" in tiles[1]
    assert "at most 12 a day" in tiles[1]


def test_measures_have_a_card(tmp_path):
    report = continuous_report([61.0, 72.0, np.nan], [60.0, 70.0, 80.0], subjects=["a", "b", "c"])
    text, _, tree = card(report, tmp_path, unit="bpm")
    tiles = {one.find("span").get_text(): one.find("b").get_text() for one in tree.select(".tiles div")}
    assert tiles["bias"] == "1.5 bpm"
    assert tiles["coverage"] == "0.667"
    assert "1 of 3 values were not measured" in text


def test_what_does_not_belong_is_refused(people, tmp_path):
    with pytest.raises(ValueError, match="unit is 'bpm'"):
        wk.report(people, tmp_path / "card.html", unit="bpm")
    with pytest.raises(ValueError, match=r"\['fp_per_hour'\] are for an EventReport"):
        wk.report(window_report(predictions()), tmp_path / "card.html", fp_per_hour=0.6)
    with pytest.raises(TypeError, match="a DataFrame makes no card"):
        wk.report(predictions(), tmp_path / "card.html")
    with pytest.raises(ValueError, match=r"ends in \.html"):
        wk.report(people, tmp_path / "card.txt")
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_card_is_replaced(people, tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("<p>somebody's own</p>")
    with pytest.raises(FileExistsError, match="is no model card"):
        wk.report(people, mine)
    assert mine.read_text() == "<p>somebody's own</p>"
    with pytest.raises(FileExistsError):
        wk.report(people, _folder(tmp_path / "folder.html"))
    earlier = wk.report(people, tmp_path / "card.html", title="Before")
    assert "Before" not in wk.report(people, earlier, title="After").read_text()


def _folder(path):
    path.mkdir()
    return path


def test_a_long_table_is_folded_and_whole(tmp_path):
    many = {f"P{one:02d}": ([10], [10]) for one in range(45)}
    _, tables, tree = card(report_of(**many), tmp_path)
    assert "By person, worst first (45 rows)" in {one.get_text() for one in tree.find_all("summary")}
    assert len(next(one for one in tables if one[0][0] == "subject")) == 46


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1234, "0.123"),
        (-1234.4, "\N{MINUS SIGN}1,234"),
        (np.nan, "\N{EN DASH}"),
        (np.inf, "\N{EN DASH}"),
        (-0.0, "0"),
    ],
)
def test_numbers_are_short_and_whole(value, shown):
    assert number(value) == shown


def test_simulated_values_are_called_so(tmp_path):
    given = ([61.0, 72.0], [60.0, 70.0])
    text, _, tree = card(continuous_report(*given, notes=("all values are simulated",)), tmp_path)
    assert tree.select_one(".failed").get_text() == "all values are simulated"
    assert "does not say" not in text
    text, _, tree = card(continuous_report(*given), tmp_path)
    assert tree.select_one(".failed") is None
    assert "a table of values does not say" in text


def test_what_is_no_model_and_no_damage_is_named(people, tmp_path):
    place = tmp_path / "card.html"
    for model in ("tcn", 3, {"classes": ()}):
        with pytest.raises(TypeError, match="expected a Detector, or better the Fit"):
            wk.report(people, place, model=model)
    with pytest.raises(TypeError, match="robustness is a int, expected the table"):
        wk.report(people, place, robustness=3)
    with pytest.raises(ValueError, match=r"robustness lacks the columns \['recall_drop'\]"):
        wk.report(people, place, robustness=costs().drop(columns="recall_drop"))
    with pytest.raises(ValueError, match="robustness has no row"):
        wk.report(people, place, robustness=costs().iloc[:0])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_file_is_said_before_anything_is_drawn(people, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["wristkit.view.card"], "_card", lambda *_, **__: pytest.fail("was drawn"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"no card can be written to .*'file' is a file"):
        wk.report(people, tmp_path / "file" / "deep" / "card.html")
    with pytest.raises(ValueError, match="305 bytes long, expected at most 200"):
        wk.report(people, tmp_path / f"{'a' * 300}.html")
    with pytest.raises(OSError, match=r"no card can be written to .*name a folder that takes files"):
        wk.report(people, f"/proc/{'a' * 300}/card.html")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_names_the_card(people, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["wristkit.view.card"], "atomic_write", full)
    with pytest.raises(OSError, match=r"card\.html' \(No space left on device\)"):
        wk.report(people, tmp_path / "card.html")
