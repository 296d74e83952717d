"""The lab and the browser of the browser tests, for what is measured in them."""

from tests.browser.conftest import browser, lab, watched

__all__ = ["browser", "lab", "watched"]
