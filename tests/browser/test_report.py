"""The page of an executed notebook in a real browser: it asks for nothing, has no errors, and fits the screen."""

from pathlib import Path

import pytest

from tests.test_report import hostile_notebook
from wristkit import _walk
from wristkit._report import report_page

pytestmark = pytest.mark.browser

ADDRESS = "http://127.0.0.1:1/report.html"  # nobody answers there: the page below is all there is
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01_raw_sensors.ipynb"


@pytest.fixture(scope="module")
def raw_sensors(tmp_path_factory):
    """Return the page of a notebook of the project, which was run."""
    folder = tmp_path_factory.mktemp("report")
    executed = folder / NOTEBOOK.name
    process = _walk.start(NOTEBOOK, executed=executed, out=folder / "out", log=folder / "log.txt")
    try:
        assert process.wait() == 0, _walk.failure(executed, folder / "log.txt")
    finally:
        if process.poll() is None:
            _walk.stop([process])
    return report_page(executed).html


def opened(page, html):
    """Open a page from memory, and return the addresses that it asked for."""
    asked = []

    def answer(route):
        asked.append(route.request.url)
        if route.request.url == ADDRESS:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            route.abort()

    page.route("**/*", answer)
    page.goto(ADDRESS, wait_until="load")
    return asked


@pytest.mark.notebook
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [420, 900, 1500])
def test_a_notebook_of_the_project_is_readable_at_every_width(page, raw_sensors, width, dark, tmp_path):
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": width, "height": 1000})
    assert opened(page, raw_sensors) == [ADDRESS]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    pictures = page.evaluate("[...document.images].map(i => [i.naturalWidth > 0, i.getBoundingClientRect().right])")
    assert len(pictures) > 5
    assert all(drawn and right <= width for drawn, right in pictures)
    assert page.locator("main p").first.bounding_box()["width"] <= 46 * 16
    paper, ink = page.evaluate(
        "['backgroundColor', 'color'].map(name => Number(getComputedStyle(document.body)[name].match(/\\d+/)[0]))"
    )
    assert (paper < 60 and ink > 200) if dark else (paper > 200 and ink < 60)
    page.locator("nav a").last.click()
    assert page.locator("main h2").last.bounding_box()["y"] < 1000
    picture = tmp_path / "report.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000


def test_a_hostile_notebook_runs_nothing_and_asks_for_nothing(page, tmp_path):
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    assert opened(page, report_page(hostile_notebook(tmp_path)).html) == [ADDRESS]
    assert page.url == ADDRESS
    assert page.locator("footer").text_content().startswith("From book.ipynb")
