"""The live viewer with a real mouse and real keys: what Python reads back is what the screen shows."""

import json

import numpy as np
import pytest

from tests.browser.lab import Notebook, busy, let_go, use_theme, write_notebook

pytestmark = pytest.mark.browser

MAKE = """
import json, numpy as np, pandas as pd, wristkit as wk
from wristkit.recording import label_table
time_s = np.arange(0, 600, 0.02)
noise = np.random.default_rng(0).normal(0, 0.02, (len(time_s), 3))
motion = np.column_stack([np.sin(time_s / 7), np.cos(time_s / 9), np.sin(time_s / 3) - 1]) + noise
motion[np.searchsorted(time_s, 300.5)] += 4
accel = wk.Stream.measured("accel", time_s, motion)
pulse = wk.Stream.measured("heart_rate", time_s[::50], 70 + 10 * np.sin(time_s[::50] / 60))
rows = [(100.0, 160.0, "wash"), (300.0, 300.2, "tap"), (400.0, 430.0, "walk")]
labels = label_table([(*row, "truth", "me") for row in rows])
recording = wk.Recording.of([accel, pulse], labels=labels, labelled={"truth": [(0, 599)]}, subject="P01")
events = pd.DataFrame([(100.0, 159.0, "wash", 0.9, 159.5), (500.0, 501.0, "tap", 0.7, 501.5)],
                      columns=["start_s", "stop_s", "label", "score", "decided_s"])
store = wk.LabelStore("FILE", recording=recording)
if store.table().empty:
    store.add_table(recording.labels, labelled=recording.labelled)
viewer = wk.view(recording, events=events, labels=store)
viewer
"""
READ = "print(json.dumps([viewer.start_s, viewer.width_s, viewer.labels.to_numpy().tolist()]))"


@pytest.fixture
def book(page, lab, request):
    """A notebook with a viewer, which was run."""
    name = request.node.name.replace("[", "-").rstrip("]")
    write_notebook(
        lab.folder,
        f"{name}.ipynb",
        [MAKE.replace("FILE", f"{name}.sqlite"), READ, "viewer", busy(name)],
    )
    book = Notebook(page, lab, f"{name}.ipynb")
    book.start(0)
    return book


@pytest.fixture
def viewer(book):
    """The viewer of that notebook."""
    return book.viewer()


def read(book):
    """Return what Python has: start, width, and rows of labels in the order of time."""
    start_s, width_s, rows = json.loads(book.run(1))
    return start_s, width_s, rows


def on_screen(viewer):
    return viewer.ask("v.labelling.rows.map(r => [r.start, r.stop, r.label, r.tier, r.rater])")


def test_a_label_is_drawn_moved_relabelled_and_taken_back(book, viewer):
    assert [row[2] for row in on_screen(viewer)] == ["wash", "tap", "walk"]
    viewer.after_edit(lambda: viewer.drag(200, 240, key="Shift"))
    drawn = on_screen(viewer)[1]
    per_pixel_s = 600 / viewer.ask("v.axis.width")
    assert drawn[:2] == pytest.approx([200, 240], abs=2 * per_pixel_s)
    viewer.after_edit(lambda: viewer.drag(drawn[1] - per_pixel_s, 260, lane=0))
    assert on_screen(viewer)[1][1] == pytest.approx(260, abs=3 * per_pixel_s)
    assert on_screen(viewer)[1][0] == drawn[0]
    viewer.after_edit(lambda: viewer.press("3"))
    third = viewer.ask("v.labelling.classes[2]")
    assert on_screen(viewer)[1][2] == third
    assert read(book)[2] == on_screen(viewer)
    for _ in range(3):
        viewer.after_edit(lambda: viewer.press("Control+z"))
    assert [row[:3] for row in read(book)[2]] == [[100, 160, "wash"], [300, 300.2, "tap"], [400, 430, "walk"]]
    viewer.after_edit(lambda: viewer.press("Control+y"))
    assert on_screen(viewer)[1][:2] == drawn[:2]
    assert read(book)[2] == on_screen(viewer)


def test_wheel_pan_rubber_band_and_keys_move_the_window(book, viewer):
    x, y = viewer.place(300)
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.wheel(0, -300)
    viewer.wait("v.axis.view[1] - v.axis.view[0] < 400")
    first, last = viewer.view
    assert viewer.ask("v.axis.at(v.axis.x(300))") == pytest.approx(300)
    assert (300 - first) / (last - first) == pytest.approx(0.5, abs=0.01)
    viewer.drag(300, 300 + (last - first) / 10)
    assert viewer.view[0] == pytest.approx(first - (last - first) / 10, abs=1)
    viewer.drag(280, 320, key="Alt")
    assert viewer.view == pytest.approx((280, 320), abs=1)
    viewer.press("ArrowRight")
    assert viewer.view == pytest.approx((288, 328), abs=1)
    viewer.press("+")
    assert viewer.view[1] - viewer.view[0] == pytest.approx(24, abs=1)
    viewer.press("g")
    viewer.page.keyboard.type("1:40")
    viewer.page.keyboard.press("Enter")
    assert sum(viewer.view) / 2 == pytest.approx(100, abs=0.1)
    viewer.page.wait_for_timeout(400)
    start_s, width_s, _ = read(book)
    assert (start_s, start_s + width_s) == pytest.approx(viewer.view)
    viewer.press("0")
    assert viewer.view == pytest.approx((0, 599.98))


def test_next_label_event_disagreement_and_a_snap(book, viewer):
    viewer.press("d")
    assert viewer.view[0] < 300 < viewer.view[1]  # the tap that no event met
    viewer.press("d")
    viewer.wait("v.axis.view[0] < 500 && v.axis.view[1] > 501")  # the tap that was none
    viewer.press("0", "Escape", "n", "n")
    assert viewer.ask("v.labelling.row(v.labelling.selected).label") == "tap"
    viewer.after_edit(lambda: viewer.press("x"))
    tap = next(row for row in read(book)[2] if row[2] == "tap")
    assert 300.2 < tap[1] <= 300.7  # the knock lies at 300.5
    viewer.press("0", "Escape", "e")
    viewer.wait("v.status.textContent.startsWith('wash hit')")


def test_a_tenth_of_a_second_in_ten_minutes_can_be_seen_and_hit(viewer):
    lane = viewer.ask("v.lanes.bars.find(b => b.wide <= 3)")
    assert lane["wide"] == 3
    viewer.page.mouse.click(*viewer.place(300.1, lane=0))
    assert viewer.ask("v.labelling.row(v.labelling.selected).label") == "tap"


def test_two_views_of_one_viewer_show_the_same_labels(book, viewer):
    book.start(2)
    second = book.viewer(1)
    viewer.after_edit(lambda: viewer.drag(200, 240, key="Shift"))
    second.wait("v.labelling.rows.length === 4")
    assert on_screen(second) == on_screen(viewer)


def test_it_zooms_while_a_cell_runs(book, viewer, lab, request):
    book.start(3)
    viewer.page.wait_for_timeout(500)
    answered = viewer.ask("v.kernel.windows")
    viewer.press("+", "+")
    viewer.wait(f"v.kernel.windows > {answered}")
    prompt = book.page.locator(".jp-Cell").nth(3).locator(".jp-InputPrompt").text_content()
    assert "*" in prompt  # the cell still runs
    let_go(lab, request.node.name)
    book.finish(3)


# Of each pane that is drawn as lines: the window, and how many seconds lie between its points, ends included.
DRAWN = """v.panes.plots.map(({ plot }) => {
  const [from, to] = v.axis.view;
  const points = [...plot.data[0]].filter((second) => second >= from && second <= to);
  const steps = [from, ...points, to].map((second, k, all) => (k ? second - all[k - 1] : 0));
  return [from, to, plot.scales.x.min, plot.scales.x.max, Math.max(...steps), v.axis.perPixel];
})"""


@pytest.mark.parametrize("wheel", [-300, 300])
def test_a_turn_of_the_wheel_is_drawn_in_full_before_the_kernel_answers(book, viewer, wheel):
    page = viewer.page
    for _ in range(2):
        viewer.wheel(300, -300)
        page.wait_for_timeout(500)
    viewer.wait("v.panes.held.far && !v.kernel.under")
    before = viewer.ask("[v.panes.pictures, v.axis.view[1] - v.axis.view[0]]")
    viewer.ask("(v.model.send = () => {}) && 0")  # from here on Python hears nothing
    viewer.wheel(300, wheel)
    viewer.wait(f"v.panes.pictures > {before[0]}")
    page.wait_for_timeout(100)
    start_s, stop_s, low_s, high_s, widest_s, pixel_s = viewer.ask(DRAWN)[0]
    assert stop_s - start_s == pytest.approx(before[1] * np.exp(0.0022 * wheel), rel=1e-6)
    assert [low_s, high_s] == [start_s, stop_s]
    assert widest_s <= 2 * max(pixel_s, 0.02)  # no coarser than pixels or samples
    viewer.wheel(300, 3 * wheel)
    page.wait_for_timeout(100)
    assert viewer.ask("v.panes.pictures") == before[0] + 1  # what nobody sent is not called drawn in full


def test_labels_outlive_the_kernel(page, lab, request):
    name = request.node.name
    write_notebook(lab.folder, f"{name}.ipynb", [MAKE.replace("FILE", f"{name}.sqlite"), READ])
    book = Notebook(page, lab, f"{name}.ipynb")
    book.start(0)
    viewer = book.viewer()
    viewer.after_edit(lambda: viewer.drag(200, 240, key="Shift"))
    drawn = on_screen(viewer)
    page.locator(".jp-Cell").nth(1).locator(".jp-InputPrompt").click()
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.click(".jp-Dialog button.jp-mod-accept")
    page.wait_for_timeout(2000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    book.start(0)
    page.wait_for_timeout(1500)
    again = book.viewer()
    again.wait("v.labelling.rows.length === 4")
    assert on_screen(again) == drawn
    assert read(book)[2] == drawn


HOSTILE = ["<img src=x onerror=alert(1)>", "</script><b>x", "$a_{b^$", "\u202egnp.exe", "=1+1", "a\nb"]


def test_hostile_names_are_text(page, lab, watched):
    make = (
        MAKE.replace("FILE", "hostile.sqlite")
        .replace('"wash"', json.dumps(HOSTILE[0]))
        .replace('"walk"', json.dumps(HOSTILE[1]))
    )
    make = make.replace('subject="P01"', f"subject={json.dumps(HOSTILE[0])}")
    more = [f"viewer.store.add({10 * k}, {10 * k + 5}, {json.dumps(name)})" for k, name in enumerate(HOSTILE)]
    write_notebook(lab.folder, "hostile.ipynb", ["\n".join([make.replace("\nviewer\n", "\n"), *more, "viewer"])])
    book = Notebook(page, lab, "hostile.ipynb")
    book.start(0)
    viewer = book.viewer()
    assert len(on_screen(viewer)) == 9
    assert viewer.root.locator("img, script, b").count() == 0
    assert "\u202e" not in viewer.root.inner_text()
    viewer.press("n", "n", "n")
    assert not watched.errors


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(900, 700), (1400, 1000), (2200, 1300)])
def test_it_is_drawn_at_every_size_in_both_themes(viewer, page, size, dark, tmp_path):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    use_theme(page, dark=dark)
    viewer.wait("Math.abs(v.axis.width + 66 + 24 - v.root.clientWidth) < 2")
    viewer.press("n")
    page.wait_for_timeout(300)
    wide = viewer.ask("v.root.clientWidth")
    for name in (".wk-lanes", ".wk-map", ".uplot"):
        assert viewer.root.locator(name).first.bounding_box()["width"] == pytest.approx(wide, abs=1.5)
    assert viewer.root.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
    page_is_dark = viewer.ask("getComputedStyle(v.root).backgroundColor.match(/\\d+/g).slice(0, 3).every(c => c < 80)")
    assert page_is_dark == dark
    picture = tmp_path / "viewer.png"
    viewer.root.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
