"""Many labels and short ones, suggestions, raters, heights, sound and other devices in the live viewer."""

import json

import pytest

from tests.browser.lab import Notebook, write_notebook

pytestmark = pytest.mark.browser

DAY = """
import json, numpy as np, pandas as pd, wristkit as wk
from wristkit.recording import label_table
time_s = np.arange(0, 24 * 3600, 0.1)
random = np.random.default_rng(0)
accel = wk.Stream.measured("accel", time_s, random.normal(0, 1, (len(time_s), 3)))
rows = ROWS
recording = wk.Recording.of([accel], labels=label_table(rows), subject="P01")
store = wk.LabelStore("FILE", recording=recording)
if store.table().empty:
    store.add_table(recording.labels)
viewer = wk.view(recording, labels=store)
viewer
"""
MANY = "[(float(s), float(s + 2), 'tap', 'truth', 'me') for s in np.linspace(100, 86000, 2000)]"
SHORT = "[(43210.0, 43210.1, 'pinch', 'truth', 'me'), (100.0, 7000.0, 'walk', 'truth', 'me')]"
FILLED = """if store.table().empty:
    store.add_table(recording.labels, labelled=recording.labelled)
"""
SESSION = """
import json, numpy as np, pandas as pd, wristkit as wk
from wristkit.recording import label_table
time_s = np.arange(0, 600, 0.02)
motion = np.column_stack([np.sin(time_s / 7), np.cos(time_s / 9), np.sin(time_s / 3) - 1])
accel = wk.Stream.measured("accel", time_s, motion)
heard_s = np.arange(0, 600, 1 / 8000)
audio = wk.Stream.uniform("audio", 0.3 * np.sin(2 * np.pi * 300 * heard_s), rate_hz=8000)
rows = [(100, 160, "wash", "truth", "me"), (102, 161, "wash", "truth", "ben"), (300, 310, "tap", "truth", "me")]
looked = {"truth": [(0, 550)]}
recording = wk.Recording.of([accel, *AUDIO], labels=label_table(rows), labelled=looked, subject="P01")
found = [(100.0, 159.0, "wash", 0.9, 159.5), (400.0, 420.0, "tap", 0.8, 421.0), (500.0, 520.0, "tap", 0.7, 521.0)]
events = pd.DataFrame(found, columns=["start_s", "stop_s", "label", "score", "decided_s"])
store = wk.LabelStore("FILE", recording=recording)
if store.table().empty:
    store.add_table(recording.labels, labelled=recording.labelled)
viewer = wk.view(recording, events=events, labels=store, classes=["wash", "tap"], beside=BESIDE)
viewer
"""
READ = "print(json.dumps(store.table().to_numpy().tolist()))"


def opened(page, lab, name, make, *more, **parts):
    """Return a notebook that was started, and its viewer."""
    for part, text in {"FILE": f"{name}.sqlite", "AUDIO": "[]", "BESIDE": "None", **parts}.items():
        make = make.replace(part, text)
    write_notebook(lab.folder, f"{name}.ipynb", [make, READ, *more])
    book = Notebook(page, lab, f"{name}.ipynb")
    book.start(0)
    viewer = book.viewer()
    viewer.wait("v.labelling.known.step >= 0")
    return book, viewer


def read(book):
    return json.loads(book.run(1))


def screen(viewer):
    return viewer.ask("v.labelling.rows.map(r => [r.start, r.stop, r.label, r.tier, r.rater])")


def test_an_edit_among_two_thousand_labels_is_told_alone(page, lab, watched):
    book, viewer = opened(page, lab, "many", DAY, "viewer", ROWS=MANY)
    book.start(2)
    second = book.viewer(1)
    second.wait("v.labelling.rows.length === 2000")
    assert viewer.ask("v.lanes.bars.length") < viewer.ask("v.axis.width")  # a mark for what lies on one pixel
    page.wait_for_timeout(1500)
    received = watched.received
    viewer.after_edit(lambda: viewer.drag(40_000, 44_000, key="Shift"))
    page.wait_for_timeout(300)
    assert watched.received - received < 40_000  # all labels are more than that
    second.wait("v.labelling.rows.length === 2001")
    viewer.press("Escape")
    viewer.after_edit(lambda: viewer.press("Control+z"))
    assert screen(viewer) == screen(second) == read(book)
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    page.reload(wait_until="domcontentloaded")
    again = book.viewer()
    again.wait("v.labelling.rows.length === 2000")


def test_a_tenth_of_a_second_in_a_day_is_hit_and_zoomed_to(page, lab):
    _, viewer = opened(page, lab, "short", DAY, ROWS=SHORT)
    assert viewer.ask("v.axis.view[1] - v.axis.view[0]") > 86_000
    chosen = "v.labelling.row(v.labelling.selected)?.label ?? null"
    x, y = viewer.place(43210.05, lane=0)
    page.mouse.click(x + 4, y)  # beside it, as a hand is
    assert viewer.ask(chosen) == "pinch"
    page.mouse.click(x + 40, y)
    assert viewer.ask(chosen) is None
    box = viewer.root.locator(".wk-map").bounding_box()
    page.mouse.click(box["x"] + viewer.ask("v.minimap.x(43210.05)") + 3, box["y"] + 26)
    assert viewer.ask(chosen) == "pinch"
    viewer.press("Enter")
    first, last = viewer.view
    assert first < 43210.0
    assert last > 43210.1
    assert last - first < 2
    assert viewer.ask("v.axis.x(43210.1) - v.axis.x(43210)") > 50


def test_suggestions_are_accepted_and_rejected_one_by_one(page, lab):
    book, viewer = opened(page, lab, "offers", SESSION, "store.close(); " + "viewer = None")
    counts = viewer.root.locator(".wk-counts")
    assert counts.inner_text() == "suggestions: 2 open, 1 accepted, 0 rejected"
    viewer.press("]")
    assert viewer.ask("v.labelling.chosen") == 1
    viewer.after_edit(lambda: viewer.press("a"))
    assert [400, 420, "tap", "truth", "me"] in read(book)
    viewer.press("]")
    assert viewer.ask("v.labelling.chosen") == 2
    viewer.after_edit(lambda: viewer.press("x"))
    viewer.wait("v.root.querySelector('.wk-counts').textContent === 'suggestions: 0 open, 2 accepted, 1 rejected'")
    assert [500, 520, "tap", "rejected", "me"] in read(book)
    assert all(row[3] != "rejected" for row in screen(viewer))
    viewer.press("Escape", "]")
    assert "no open suggestion" in viewer.ask("v.status.textContent")
    viewer.after_edit(lambda: viewer.press("Control+z"))
    viewer.after_edit(lambda: viewer.press("Control+z"))
    viewer.wait("v.root.querySelector('.wk-counts').textContent === 'suggestions: 2 open, 1 accepted, 0 rejected'")
    assert len(read(book)) == 3


def test_an_event_is_chosen_by_the_mouse_and_its_rejection_outlives_the_viewer(page, lab):
    book, viewer = opened(page, lab, "mouse", SESSION)
    page.mouse.click(*viewer.place(510, lane=2))
    assert viewer.ask("v.labelling.chosen") == 2
    viewer.after_edit(lambda: viewer.root.get_by_role("button", name="reject", exact=True).click())
    book.run(0)
    again = book.viewer()
    again.wait("v.labelling.events[2].state === 'rejected'")
    again.press("[")
    assert again.ask("v.labelling.chosen") == 1  # what was rejected is not offered


def test_raters_stand_side_by_side_and_where_they_differ_is_found(page, lab):
    _, viewer = opened(page, lab, "raters", SESSION)
    assert viewer.ask("v.lanes.rows().map(r => [r.tier, r.rater])") == [
        ["truth", "ben"],
        ["truth", "me"],
        ["events", ""],
    ]
    viewer.press("d")
    assert viewer.ask("v.labelling.row(v.labelling.selected).start") == 300  # ben has no such tap
    viewer.root.get_by_role("button", name="raters").click()
    table = viewer.root.locator(".wk-agreement")
    table.wait_for()
    assert "ben / me" in table.inner_text()
    assert "all classes" in table.inner_text()
    viewer.press("Escape")
    assert table.count() == 0


def test_a_pane_is_made_higher_by_mouse_and_keys_and_stays_so(page, lab):
    book, viewer = opened(page, lab, "heights", SESSION, "viewer")
    grip = viewer.root.locator(".wk-grip").first
    pane = viewer.root.locator(".uplot").first
    before = pane.bounding_box()["height"]
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 3)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 83, steps=4)
    page.mouse.up()
    taller = pane.bounding_box()["height"]
    assert taller == pytest.approx(before + 80, abs=2)
    grip.focus()
    page.keyboard.press("ArrowUp")
    assert pane.bounding_box()["height"] == pytest.approx(taller - 12, abs=1)
    for _ in range(40):
        page.keyboard.press("PageUp")
    least = viewer.ask("v.model.get('heights')[v.meta().panes[0].name]")
    assert least == 48
    page.keyboard.press("PageDown")
    book.start(2)
    second = book.viewer(1)
    assert second.ask("v.panes.height(0)") == viewer.ask("v.panes.height(0)") == least + 48 + 30
    assert viewer.ask("v.labelling.rows.length") == 3


@pytest.mark.parametrize(("first_s", "wide_s"), [(0.0, 86_000.0), (86_000.0, 60.0), (86_300.0, 0.0252)])
def test_times_on_the_axis_stand_apart(page, lab, first_s, wide_s):
    page.set_viewport_size({"width": 900, "height": 800})
    _, viewer = opened(page, lab, f"axis_{wide_s}", DAY, ROWS=SHORT)
    viewer.ask(f"v.axis.show({first_s}, {first_s + wide_s})")
    viewer.wait(f"Math.abs(v.panes.plots.at(-1).plot.scales.x.min - {first_s}) < 1e-3")
    apart = viewer.ask(
        """(() => {
          const plot = v.panes.plots.at(-1).plot;
          const pen = document.createElement("canvas").getContext("2d");
          pen.font = "11px system-ui, sans-serif";
          const ticks = plot.axes[0]._splits.map((one, k) => [plot.valToPos(one, "x"), plot.axes[0]._values[k]]);
          const ends = ticks.filter(([, text]) => text).map(([x, text]) => [x, pen.measureText(text).width / 2]);
          return ends.slice(1).map(([x, half], k) => x - half - ends[k][0] - ends[k][1]);
        })()"""
    )
    assert apart
    assert min(apart) > 6


def test_sound_is_asked_for_in_pieces_and_the_cursor_moves(page, lab):
    _, viewer = opened(page, lab, "sound", SESSION, AUDIO="[audio]")
    assert viewer.ask("v.player.playing") is None
    assert viewer.ask("v.player.context === undefined")  # nothing plays by itself
    page.mouse.click(*viewer.place(130, lane=1))
    viewer.press("Space")
    viewer.wait("v.player.position > 100.4")
    assert viewer.ask("v.player.playing.stop") == 160
    assert viewer.ask("v.player.head.style.display") == "block"
    assert viewer.ask("v.player.sources.every(s => s.buffer.sampleRate === 8000 && s.buffer.length * 2 <= 1e6)")
    peak = viewer.ask("Math.max(...v.player.sources[0].buffer.getChannelData(0).slice(0, 8000))")
    assert peak == pytest.approx(0.3, abs=0.01)
    viewer.press("Space")
    at = float(viewer.ask("v.player.left.at"))
    assert viewer.ask("v.player.playing") is None
    viewer.press("Space")
    viewer.wait("v.player.playing.began < Infinity")
    assert viewer.ask("v.player.playing.from") == pytest.approx(at, abs=0.01)
    viewer.wait(f"v.player.position > {at + 0.2}")
    viewer.press("Space")
    viewer.press("Escape")
    page.mouse.click(*viewer.place(305, lane=1))
    viewer.press("Space")
    viewer.wait("v.player.playing === null && v.status.textContent === 'played to the end'")


def test_a_recording_without_sound_has_no_button_for_it(page, lab):
    _, viewer = opened(page, lab, "silent", SESSION)
    assert not viewer.root.get_by_role("button", name="play").is_visible()
    viewer.press("Space")
    assert viewer.ask("v.status.textContent") == "there is no sound in this recording"


def test_what_another_notebook_edits_is_seen_without_a_touch(page, lab, browser):
    book, viewer = opened(page, lab, "shared", SESSION)
    other = browser.new_page()
    try:
        there, _ = opened(other, lab, "shared_too", SESSION, "store.add(5, 6, 'tap')", FILE="shared.sqlite")
        windows = viewer.ask("v.kernel.windows")  # now that the first page has settled
        there.run(2)
        page.wait_for_function(
            "document.querySelector('.wk-viewer').wristkit.labelling.rows.length === 4", timeout=2500
        )
        assert viewer.ask("v.kernel.windows") == windows
        assert [5, 6, "tap", "truth", "me"] in read(book)
    finally:
        other.close()


def test_devices_beside_share_the_axis(page, lab):
    phone = "{'phone': wk.Recording.of([wk.Stream.measured('accel', time_s[5000:9000] + 0.005, motion[5000:9000])])}"
    _, viewer = opened(page, lab, "phone", SESSION, BESIDE=phone)
    assert viewer.ask("v.meta().panes.map(p => p.name)") == ["accel", "phone accel"]
    viewer.drag(100, 120, key="Alt")
    viewer.wait("v.panes.plots[1].plot.data[0][0] > 99")
    ends = viewer.ask("v.panes.plots.map(p => [p.plot.scales.x.min, p.plot.scales.x.max])")
    assert ends[0] == ends[1] == pytest.approx([100, 120], abs=1)


def test_another_recording_brings_its_own_labels_and_events(page, lab):
    two = """
gyro = wk.Stream.measured("gyro", time_s[:500], motion[:500])
other = wk.Recording.of([gyro], labels=label_table([(1, 2, "tap", "truth", "me")]), subject="P02")
theirs = events.iloc[:1].assign(recording=other.id, start_s=3.0, stop_s=4.0)
stacked = pd.concat([events.assign(recording=recording.id), theirs])
viewer = wk.view([recording, other], events=stacked)
viewer"""
    _, viewer = opened(page, lab, "two", SESSION.replace("\nviewer\n", "\n") + two)
    viewer.press("]")
    assert viewer.ask("v.labelling.chosen") == 1
    viewer.root.get_by_role("combobox", name="recording").select_option(index=1)
    viewer.wait("v.meta().panes[0].name === 'gyro' && v.labelling.events.length === 1")
    assert screen(viewer) == [[1, 2, "tap", "truth", "me"]]
    assert viewer.ask("[v.labelling.chosen, v.labelling.selected]") == [None, None]
    assert viewer.ask("v.labelling.events[0].state") == "open"
    viewer.after_edit(lambda: viewer.drag(5, 6, key="Shift"))
    viewer.root.get_by_role("combobox", name="recording").select_option(index=0)
    viewer.wait("v.labelling.rows.length === 3 && v.labelling.events.length === 3")
    assert viewer.ask("v.labelling.events.map(e => e.state)") == ["accepted", "open", "open"]


def test_what_cannot_be_edited_says_why(page, lab):
    make = SESSION.replace('"ben")', '"b\\0n")').replace("labels=store", "labels=recording.labels")
    make = make.replace(FILLED, "")
    _, viewer = opened(page, lab, "nul", make)
    shut = viewer.root.locator(".wk-shut")
    assert shut.is_visible()
    assert "has no NUL" in shut.get_attribute("title")
    assert "has no NUL" in viewer.ask("v.status.textContent")
    assert len(screen(viewer)) == 3
