"""What was looked at, many classes, empty tiers, fast keys, several views, and what a viewer leaves behind."""

import json

import pytest

from tests.browser.lab import Notebook, write_notebook

pytestmark = pytest.mark.browser

MAKE = """
import gc, json, weakref
import numpy as np, pandas as pd, wristkit as wk
from wristkit.recording import finding_table, label_table
time_s = np.arange(0, 600, 0.02)
motion = np.column_stack([np.sin(time_s / 7), np.cos(time_s / 9), np.sin(time_s / 3) - 1])

def made(subject, rows, looked=((0, 450),)):
    findings = finding_table([("clipped", "accel", 100.0, 110.0, 3, "n", "r")])
    accel = wk.Stream.measured("accel", time_s, motion * (1 + len(subject)))
    truth = label_table([(*row, "truth", "me") for row in rows])
    held = wk.Recording.of([accel], labels=truth, labelled={"truth": list(looked)}, subject=subject)
    return held.with_findings(findings)

def store_of(recording, path):
    store = wk.LabelStore(path, recording=recording)
    if store.table().empty:
        store.add_table(recording.labels, labelled=recording.labelled, by="the recording")
    return store

rows = [(100, 160, "wash"), (200, 240, "wash"), (300, 340, "wash")]
recording = made("P01", rows)
found = [(100, 159, "wash"), (400, 440, "wash"), (500, 540, "wash")]
events = pd.DataFrame([(float(a), float(b), name, 0.9, float(b)) for a, b, name in found],
                      columns=["start_s", "stop_s", "label", "score", "decided_s"])
store = store_of(recording, "FILE")
"""
SHOW = "viewer = wk.view(recording, events=events, labels=store, MORE)\nviewer"
READ = "print(json.dumps([[row[0], *row[2:4]] for row in store.table().to_numpy().tolist()]))"
LOOKED = "print(json.dumps({tier: spans.tolist() for tier, spans in store.labelled().items()}))"


def opened(page, lab, name, *cells, more="", viewers=1):
    """Return a notebook of which the first cells were run, and its viewers."""
    write_notebook(lab.folder, f"{name}.ipynb", [MAKE.replace("FILE", f"{name}.sqlite"), *cells])
    book = Notebook(page, lab, f"{name}.ipynb")
    book.run(0)
    for number in range(viewers):
        book.start(1 + number)
        book.viewer(number).wait("v.labelling.known.step >= 0")
    return book, *(book.viewer(number) for number in range(viewers))


def asked(book, cell):
    return json.loads(book.run(cell))


def test_fast_keys_relabel_what_was_chosen_when_they_were_pressed(page, lab):
    book, viewer = opened(page, lab, "fast", SHOW.replace("MORE", "classes=['wash', 'tap', 'walk']"), READ)
    viewer.press("n")
    viewer.press("2", "n", "3", "n", "2", "p")  # none of them waits for an answer
    viewer.wait("Number(v.root.dataset.edits) >= 3")
    assert asked(book, 2) == [[100, "tap", "truth"], [200, "walk", "truth"], [300, "tap", "truth"]]
    assert viewer.ask("v.labelling.rows.map(r => r.label)") == ["tap", "walk", "tap"]
    assert viewer.ask("v.labelling.row(v.labelling.selected).start") == 200


def test_another_recording_of_the_same_span_is_drawn_anew(page, lab):
    two = """
other = made("P02 too", [(50, 60, "tap")], looked=[(0, 100)])
viewer = wk.view([recording, other], labels={recording.id: store, other.id: store_of(other, "other.sqlite")})
viewer"""
    _, viewer = opened(page, lab, "equal", two)
    height = "Math.max(...v.panes.plots[0].plot.data[1].filter((one) => one !== null))"
    first = viewer.ask(height)
    map_before = viewer.ask("v.minimap.element.toDataURL()")
    viewer.press("n")
    viewer.drag(280, 320, key="Alt")
    chooser = viewer.root.get_by_role("combobox", name="recording")
    chooser.select_option(index=1)
    viewer.wait("v.labelling.rows.length === 1 && v.axis.view[1] > 599")
    viewer.wait(f"{height} > {first} * 1.5")
    assert viewer.ask("v.labelling.selected") is None
    assert viewer.ask("v.labelling.notes.looked") == {"truth": [[0, 100]]}
    assert viewer.ask("v.meta().name") == "P02 too"
    assert viewer.ask("v.minimap.element.toDataURL()") != map_before
    chooser.select_option(index=0)
    viewer.wait(f"v.labelling.rows.length === 3 && {height} < {first} * 1.5")
    assert viewer.ask("v.axis.view") == pytest.approx([0, 599.98])


def test_a_second_view_of_a_recording_pans_on_its_own_and_shares_its_labels(page, lab):
    again = "second = wk.view(recording, labels=store)\nsecond"
    where = "print(json.dumps([viewer.start_s, viewer.width_s, second.start_s, second.width_s]))"
    book, viewer, second = opened(page, lab, "beside", SHOW.replace("MORE", ""), again, where, viewers=2)
    second.drag(280, 320, key="Alt")
    second.press("ArrowRight")
    assert second.view == pytest.approx((288, 328), abs=1)
    assert viewer.view == pytest.approx((0, 599.98))
    viewer.drag(20, 40, key="Alt")
    viewer.press("ArrowLeft")
    page.wait_for_timeout(400)
    assert asked(book, 3) == pytest.approx([16, 20, 288, 40], abs=1)
    assert second.view == pytest.approx((288, 328), abs=1)
    viewer.press("0")
    viewer.after_edit(lambda: viewer.drag(250, 270, key="Shift"))
    second.wait("v.labelling.rows.length === 4")
    assert second.view == pytest.approx((288, 328), abs=1)


def counts(viewer):
    return viewer.root.locator(".wk-verdict").filter(visible=True).all_inner_texts()


def test_what_nobody_looked_at_holds_no_false_alarm_and_looking_is_taken_back(page, lab):
    book, viewer = opened(page, lab, "looked", SHOW.replace("MORE", ""), LOOKED)
    assert counts(viewer) == ["1 hits", "2 missed", "1 false alarms", "1 not looked at"]
    assert viewer.ask("v.labelling.events.map(e => e.verdict)") == ["hit", "false alarm", "not looked at"]
    viewer.press("d", "d", "d")
    assert viewer.ask("v.labelling.chosen") == 1  # after two labels that no event met
    viewer.press("d")
    assert "no disagreement after this" in viewer.ask("v.status.textContent")
    viewer.press("Escape", "0")
    viewer.drag(480, 560, key="Alt")
    viewer.after_edit(lambda: viewer.press("v"))
    viewer.wait("v.labelling.events[2].verdict === 'false alarm'")
    assert counts(viewer) == ["1 hits", "2 missed", "2 false alarms"]
    (_, last) = asked(book, 2)["truth"]
    assert last == pytest.approx([480, 560], abs=1)
    viewer.press("ArrowRight")
    viewer.after_edit(lambda: viewer.press("Shift+V"))
    assert asked(book, 2)["truth"][1] == pytest.approx([480, 496], abs=1.5)
    viewer.press("0")
    for second in (470, 590):
        page.mouse.move(*viewer.place(second))
        viewer.press("c")
    viewer.after_edit(lambda: viewer.root.get_by_role("button", name="not looked at", exact=True).click())
    viewer.wait("v.labelling.events[2].verdict === 'not looked at'")
    assert asked(book, 2) == {"truth": [[0, 450]]}
    viewer.after_edit(lambda: viewer.press("Control+z"))
    assert len(asked(book, 2)["truth"]) == 2
    viewer.press("Escape", "0")
    viewer.drag(480, 560, key="Alt")
    viewer.after_edit(lambda: viewer.press("Shift+V"))
    viewer.after_edit(lambda: viewer.press("Shift+V"))
    assert "marked nothing of tier" in viewer.ask("v.status.textContent")


def test_a_hit_a_false_alarm_and_what_nobody_saw_differ_in_edge_and_sign(page, lab):
    taken = "for number in (1, 2):\n    viewer.accept(number, tier='draft')"
    book, viewer = opened(page, lab, "edges", SHOW.replace("MORE", ""), taken)
    book.run(2)
    viewer.wait("v.labelling.events.every(e => e.state === 'accepted')")
    page.wait_for_timeout(200)
    drawn = viewer.ask(
        """(() => {
          const { element, bars } = v.lanes;
          const pen = element.getContext("2d"), scale = devicePixelRatio;
          const shades = (x, y, wide, high) => {
            const { data } = pen.getImageData(x * scale, y * scale, wide * scale, high * scale);
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
            return seen.size;
          };
          const pixels = (...box) => [...pen.getImageData(...box.map((one) => one * scale)).data];
          const sign = (x, top) => pixels(x + 2, top + 2, 12, 13).join();
          return bars.filter((bar) => bar.event !== undefined).map((bar) => ({
            edge: shades(bar.x + 20, bar.top, 20, 1),
            sign: sign(bar.x, bar.top),
          }));
        })()"""
    )
    assert [one["edge"] > 1 for one in drawn] == [False, True, True]  # a line all around, dashes, dots
    assert len({one["sign"] for one in drawn}) == 3


def test_a_class_without_a_key_is_found_by_its_name(page, lab):
    classes = "classes=['wash', *(f'step {number}' for number in range(20)), '<b>last</b>']"
    book, viewer = opened(page, lab, "classes", SHOW.replace("MORE", classes), READ)
    assert viewer.root.locator(".wk-class").count() == 9
    viewer.press("n", "f")
    box = viewer.root.get_by_role("combobox", name="class")
    assert box.evaluate("element => element === document.activeElement")
    page.keyboard.type("EP 1")
    options = viewer.root.get_by_role("option")
    assert options.all_inner_texts()[:2] == ["step 1\n3", "step 10"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert options.nth(2).get_attribute("aria-selected") == "true"
    assert box.get_attribute("aria-activedescendant") == options.nth(2).get_attribute("id")
    viewer.after_edit(lambda: page.keyboard.press("Enter"))
    assert asked(book, 2)[0][1] == "step 11"
    assert viewer.root.locator(".wk-find").count() == 0
    assert viewer.root.locator(".wk-class").last.inner_text() == "step 11"
    assert viewer.root.locator(".wk-class").last.get_attribute("aria-pressed") == "true"
    viewer.root.get_by_role("button", name="all 22…").click()
    page.keyboard.type("last")
    assert options.all_inner_texts() == ["<b>last</b>"]
    page.keyboard.type("zz")
    assert "no class of that name" in viewer.root.locator(".wk-find").inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert viewer.root.locator(".wk-find").count() == 0
    viewer.press("n", "p")  # the focus is back
    assert viewer.ask("v.labelling.row(v.labelling.selected).label") == "step 11"


def test_labels_go_to_a_tier_that_has_none_yet(page, lab):
    book, viewer = opened(page, lab, "tiers", SHOW.replace("MORE", "tiers=['truth', 'draft']"), READ, LOOKED)
    assert viewer.ask("v.lanes.rows().map(r => r.tier)") == ["truth", "events"]
    viewer.press("Shift+T")
    assert "draft" in viewer.ask("v.status.textContent")
    assert viewer.root.get_by_role("combobox", name="tier of new labels").input_value() == "draft"
    assert viewer.ask("v.lanes.rows().map(r => r.tier)") == ["truth", "draft", "events"]
    viewer.after_edit(lambda: viewer.drag(20, 60, key="Shift"))
    assert [row[2] for row in asked(book, 2)] == ["draft", "truth", "truth", "truth"]
    viewer.after_edit(lambda: viewer.press("v"))
    assert set(asked(book, 3)) == {"draft", "truth"}


def test_findings_can_be_pointed_at_and_are_read_out(page, lab):
    _, viewer = opened(page, lab, "found", SHOW.replace("MORE", ""))
    found = viewer.root.locator(".wk-found")
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).className", at) == "wk-found"
    page.mouse.click(*at)
    assert viewer.ask("v.status.textContent") == "found in accel: clipped"


def test_a_viewer_is_freed_once_its_cell_was_run_again(page, lab):
    show = """
seen = globals().get("seen", [])
shown = wk.view(made("P03", rows))
seen += [weakref.ref(shown), weakref.ref(shown.recording["accel"])]
display(shown)
del shown"""
    count = "_ = gc.collect()\nprint(json.dumps([one() is not None for one in seen]))"
    book, viewer = opened(page, lab, "freed", show, count)
    assert asked(book, 2) == [True, True]
    viewer.press("n")
    for _ in range(2):
        book.run(1)
        page.wait_for_timeout(500)
        again = book.viewer()
        again.wait("v.labelling.known.step >= 0")
        page.wait_for_timeout(1500)
    assert asked(book, 2) == [False] * 4 + [True] * 2
    again.after_edit(lambda: again.drag(20, 60, key="Shift"))
    asked(book, 2)  # the focus leaves the viewer, which keeps all keys to itself
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    page.reload(wait_until="domcontentloaded")
    again = book.viewer()
    again.wait("v.labelling.rows.length === 4")  # a page that is loaded anew finds it there
