"""A lab and a browser for all of these tests; without Chromium they are skipped, or fail where one must be there."""

import os

import pytest

from tests.browser.lab import CHROMIUM, Watched, launched, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A running JupyterLab in a folder of its own."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and CI has to test in a browser: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(lab):
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = launched(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def watched():
    """What the pages of a test did that they should not; the test fails where that is anything."""
    seen = Watched()
    yield seen
    assert seen.errors == []
    assert seen.elsewhere == []


@pytest.fixture
def page(browser, lab, watched):
    """A page of its own; the kernels of its notebooks end with it, as seventy of them fill a small machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    watched.watch(page)
    yield page
    context.close()
    lab.end_kernels()
