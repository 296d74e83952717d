"""What all tests share: the folder of the project, real data where it lies, and one table of benchmarks."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
# No deadlines: a shared machine is slow at times. The same examples every time: a red run is about the change.
hypothesis.settings.register_profile("wristkit", deadline=None, derandomize=True)
hypothesis.settings.load_profile("wristkit")
_ROWS = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture(scope="session")
def root():
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of public recordings, or skip; tests that use it are marked ``real_data``."""
    folder = os.environ.get("WRISTKIT_DATA")
    if not folder:
        pytest.skip("WRISTKIT_DATA does not name a folder of public recordings")
    if not Path(folder).is_dir():
        pytest.fail(f"WRISTKIT_DATA names {folder}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="module")
def worn():
    """Return a small detector that was trained for a second."""
    from tests.exporting import detector

    return detector()


@pytest.fixture(scope="module")
def values(worn):
    """Return windows (n, c, k) of that detector."""
    from tests.exporting import recording
    from wristkit.export.parity import trial_windows

    return trial_windows(worn, [recording()]).values


@pytest.fixture(autouse=True)
def same_chance():
    """Give torch the same chance before each test: a new process seeds itself at random."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(67280421310721)


@pytest.fixture
def benchmark_row(request):
    """Return a function that adds a row (what, figure, against what) to the table of benchmarks."""

    def add(what, figure, note):
        request.config.stash.setdefault(_ROWS, []).append((what, figure, note))

    return add


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(_ROWS, [])
    if rows:
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        terminalreporter.section("benchmarks")
        for row in rows:
            terminalreporter.line(
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            )
