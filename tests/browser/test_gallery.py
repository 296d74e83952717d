"""The gallery with a real mouse and real keys: an error opens in the viewer, and what is marked is what Python has."""

import json

import pytest

from tests.browser.lab import RUNS_WITHIN_MS, Notebook, answered, busy, let_go, use_theme, write_notebook

pytestmark = pytest.mark.browser

MAKE = """
import json, numpy as np, pandas as pd, wristkit as wk
def person(subject, seed):
    time_s = np.arange(0, 300, 0.02)
    values = np.random.default_rng(seed).normal(0, 0.03, (len(time_s), 3)) + [0.1, -0.2, -0.95]
    for at_s in range(10, 290, 9):
        near = np.exp(-(((time_s - at_s) / 0.08) ** 2)) * np.sin((time_s - at_s) * 60)
        values += near[:, None] * [0.8, 0.5, 1.4]
    accel = wk.Stream.measured("accel", time_s, values)
    labels = pd.DataFrame([(19.0, 19.3, "tap", "truth", "me")], columns=["start_s", "stop_s", "label", "tier", "rater"])
    return wk.Recording.of([accel], labels=labels, subject=subject)
people = [person("P01", 1), person("P02", 2)]
rows = [(people[k % 2].id, people[k % 2].subject, ("false alarm", "miss")[k % 3 == 0], LABELS[k % len(LABELS)],
         10.0 + 9 * k, 10.3 + 9 * k, round(0.97 - k / 40, 3)) for k in range(COUNT)]
failures = pd.DataFrame(rows, columns=["recording", "subject", "kind", "label", "start_s", "stop_s", "score"])
failures.attrs["recordings"] = {one.id: one for one in people}
gallery = wk.gallery(failures, keep="FILE")
gallery
"""
READ = """
table = gallery.marks
print(json.dumps([gallery.page, [[int(place), row.mark] for place, row in table.iterrows()],
                  [[one.recording.subject, one.start_s, one.width_s] for one in gallery._viewers.values()]]))
"""


def make(name, *, count=14, labels=("tap", "wash", "raise")):
    texts = MAKE.replace("FILE", f"{name}.json").replace("COUNT", str(count))
    return texts.replace("LABELS", json.dumps(list(labels)))


@pytest.fixture
def book(page, lab, request):
    """A notebook with a gallery, which was run."""
    name = request.node.name.replace("[", "-").rstrip("]")
    write_notebook(lab.folder, f"{name}.ipynb", [make(name), READ, busy(name)])
    book = Notebook(page, lab, f"{name}.ipynb")
    book.start(0)
    return book


class GalleryOnPage:
    """A gallery as somebody at the screen has it."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".wk-gallery").first
        page.locator(".wk-gallery[data-ready=true]").first.wait_for(timeout=RUNS_WITHIN_MS)
        self.status = self.root.locator("[role=status]")

    def tile(self, number):
        return self.root.locator(".wk-open").nth(number)

    def pressed(self):
        """The marks on the screen, by place on the page."""
        tiles = self.root.locator(".wk-tile").all()
        texts = [tile.locator(".wk-mark[aria-pressed=true]").all_inner_texts() for tile in tiles]
        return {number: text[0] for number, text in enumerate(texts) if text}

    def counts(self):
        return self.root.locator(".wk-count").all_inner_texts()

    def after_answer(self, act):
        """Do something that asks Python, and wait for its answer to be drawn."""
        answered(self.root, "answers", act)

    def press(self, key):
        self.after_answer(lambda: self.page.keyboard.press(key))


@pytest.fixture
def gallery(book):
    """The gallery of that notebook."""
    return GalleryOnPage(book.page)


def read(book):
    """Return what Python has: the page, marks by place, and where the viewers are."""
    page, marks, viewers = json.loads(book.run(1))
    return page, marks, viewers


def focused(gallery):
    return gallery.page.evaluate("() => document.activeElement.getAttribute('aria-label')")


def test_an_error_opens_in_the_viewer_below(book, gallery):
    gallery.after_answer(lambda: gallery.tile(0).click())
    viewer = book.viewer()
    first = viewer.view
    place = gallery.root.locator(".wk-tile[data-open] .wk-place").inner_text()
    assert place == "#0"
    assert gallery.status.inner_text() == "error 0 is open below"
    box, below = gallery.root.bounding_box(), viewer.root.bounding_box()
    assert below["y"] >= box["y"] + box["height"] - 1
    gallery.page.wait_for_timeout(300)
    below = viewer.root.bounding_box()
    assert below["y"] < 1000  # it was scrolled into sight
    _, _, ((subject, start_s, width_s),) = read(book)
    assert (start_s, start_s + width_s) == pytest.approx(first)
    text = gallery.root.locator(".wk-where").nth(0).inner_text()
    assert text.endswith(subject)
    assert first[0] < float(text.split()[0]) < first[1]
    gallery.tile(1).focus()
    gallery.press("Enter")
    gallery.press("Escape")
    assert gallery.page.locator(".wk-viewer").count() == 0


def test_the_viewer_of_a_recording_moves_from_error_to_error(book, gallery):
    gallery.after_answer(lambda: gallery.tile(0).click())
    viewer = book.viewer()
    first, subject = viewer.view, gallery.root.locator(".wk-where").nth(0).inner_text()[-3:]
    texts = gallery.root.locator(".wk-where").all_inner_texts()
    other = next(number for number, text in enumerate(texts) if number and text.endswith(subject))
    viewer.root.evaluate("element => element.dataset.same = 'yes'")
    gallery.after_answer(lambda: gallery.tile(other).click())
    viewer.wait(f"Math.abs(v.axis.view[0] - {first[0]}) > 1")
    assert viewer.root.get_attribute("data-same") == "yes"
    assert viewer.view[0] < float(texts[other].split()[0]) < viewer.view[1]
    assert len(read(book)[2]) == 1


def test_errors_are_marked_by_key_and_button_and_stay(book, gallery, lab, request):
    gallery.tile(0).focus()
    gallery.press("2")
    gallery.page.keyboard.press("ArrowRight")
    assert focused(gallery).startswith("Error 1:")
    gallery.press("1")
    gallery.page.keyboard.press("End")
    gallery.press("3")
    last = gallery.root.locator(".wk-tile").count() - 1
    assert gallery.pressed() == {0: "hard negative", 1: "label error", last: "real error"}
    assert gallery.counts() == ["1 label error", "1 hard negative", "1 real error"]
    assert focused(gallery).endswith("marked real error")
    gallery.after_answer(lambda: gallery.root.locator(".wk-tile").nth(2).get_by_text("hard negative").click())
    gallery.press("PageDown")
    assert gallery.root.get_attribute("data-page") == "1"
    assert gallery.root.locator(".wk-tile").count() == 2
    assert focused(gallery).startswith("Error 12:")
    gallery.press("2")
    assert gallery.counts()[1] == "3 hard negatives"
    marks = [
        [0, "hard negative"],
        [1, "label error"],
        [2, "hard negative"],
        [last, "real error"],
        [12, "hard negative"],
    ]
    assert read(book)[:2] == (1, marks)
    kept = json.loads((lab.folder / f"{request.node.name}.json").read_text())
    assert [row["mark"] for row in kept] == [
        "hard negative",
        "label error",
        "real error",
        "hard negative",
        "hard negative",
    ]
    gallery.tile(0).focus()
    gallery.press("Backspace")
    gallery.after_answer(lambda: gallery.root.get_by_title("previous page (PgUp)").click())
    gallery.tile(1).focus()
    gallery.press("0")
    assert read(book)[:2] == (0, [marks[0], *marks[2:4]])


def test_marks_outlive_the_kernel(book, gallery, page):
    gallery.tile(0).focus()
    gallery.press("2")
    page.locator(".jp-Cell").nth(1).locator(".jp-InputPrompt").click()
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.click(".jp-Dialog button.jp-mod-accept")
    page.wait_for_timeout(2000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    book.run(0)
    again = GalleryOnPage(page)
    assert again.pressed() == {0: "hard negative"}
    assert read(book)[1] == [[0, "hard negative"]]


def test_errors_are_marked_while_a_cell_runs(book, gallery, lab, request):
    gallery.tile(0).focus()
    gallery.press("1")  # JupyterLab gives widgets a thread of their own while the first messages are under way
    book.start(2)
    gallery.page.wait_for_timeout(1000)
    gallery.tile(0).focus()
    gallery.press("2")
    assert gallery.pressed() == {0: "hard negative"}
    assert "*" in book.page.locator(".jp-Cell").nth(2).locator(".jp-InputPrompt").text_content()
    let_go(lab, request.node.name)
    book.finish(2)


HOSTILE = ["<img src=x onerror=alert(1)>", "</script><b>x", "$a_{b^$", "\u202egnp.exe", "a\nb", "x" * 10_000]


def test_hostile_names_are_text(page, lab):
    text = make("hostile_gallery", labels=HOSTILE).replace('"P01"', json.dumps(HOSTILE[0]))
    write_notebook(lab.folder, "hostile_gallery.ipynb", [text, READ])
    book = Notebook(page, lab, "hostile_gallery.ipynb")
    book.start(0)
    gallery = GalleryOnPage(page)
    assert gallery.root.locator("img, script, b").count() == 0
    assert "\u202e" not in gallery.root.inner_text()
    assert "<img src=x onerror=" in gallery.root.inner_text()
    gallery.tile(0).focus()
    gallery.press("1")
    assert read(book)[1] == [[0, "label error"]]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(900, 900), (1400, 1000), (1900, 1200)])
def test_tiles_are_drawn_at_every_size_in_both_themes(gallery, size, dark, tmp_path):
    page = gallery.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    use_theme(page, dark=dark)
    for number, key in ((0, "2"), (1, "1"), (2, "3")):
        gallery.tile(number).focus()
        gallery.press(key)
    page.wait_for_timeout(1200)
    assert gallery.root.evaluate("element => element.scrollWidth <= element.clientWidth + 1")
    for tile in gallery.root.locator(".wk-tile").all():
        wide = tile.bounding_box()["width"]
        assert tile.locator("canvas").bounding_box()["width"] == pytest.approx(wide - 22, abs=3)
        cut = tile.evaluate(
            "element => [...element.querySelectorAll('.wk-mark')]"
            ".filter(one => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight).length"
        )
        assert cut == 0
    picture = tmp_path / "gallery.png"
    gallery.root.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
