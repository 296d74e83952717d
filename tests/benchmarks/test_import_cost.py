"""What ``import wristkit`` costs, over a bare Python."""

import os
import statistics
import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark


def cpu_s(code, root):
    """Return the CPU seconds of one fresh Python that runs a line."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_import_of_the_package(root, benchmark_row):
    runs = [(cpu_s("import wristkit", root), cpu_s("pass", root)) for _ in range(20)]
    package, bare = (statistics.median(column) for column in zip(*runs, strict=True))
    # By ratio: a bare Python takes about 10 ms, and so much more would be a library that crept in.
    assert package < 6 * bare
    figure = f"{1000 * (package - bare):.0f} ms"
    benchmark_row("import wristkit", figure, f"CPU over a bare Python's {1000 * bare:.0f} ms; wanted: at most 60 ms")
