"""What is held ahead, and what becomes of it and of a viewer: late answers, hidden pages, odd widths, gaps, closing."""

import pytest

from tests.browser.lab import Notebook, write_notebook

pytestmark = pytest.mark.browser

MAKE = """
import numpy as np, wristkit as wk
motion_s = np.r_[np.arange(0, 60, 0.02), np.arange(36_000, 36_060, 0.02)]
motion = np.random.default_rng(0).normal(0, 1, (len(motion_s), 3))
count = 1e6 + (np.arange(36_060) % 3)[:, None] * 0.125
first = wk.Recording.of([
    wk.Stream.measured("accel", motion_s, motion), wk.Stream.measured("light", np.arange(36_060), count)
])
other = wk.Recording.of([wk.Stream.measured("gyro", motion_s[:3000], motion[:3000])])
viewer = wk.view([first, other])
viewer
"""
FULL = "v.panes.drawn && v.panes.held.isFull(v.panes.drawn)"
# From here on what Python says waits until it is let through.
HOLD = """(() => {
  const take = v.kernel.receive.bind(v.kernel);
  v.late = [];
  v.kernel.receive = (...told) => v.late.push(told);
  v.deliver = () => v.late.splice(0).forEach((told) => take(...told));
})()"""


def opened(page, lab, name, *more):
    """Return a notebook that was started, and its viewer."""
    write_notebook(lab.folder, f"{name}.ipynb", [MAKE, *more])
    book = Notebook(page, lab, f"{name}.ipynb")
    book.start(0)
    return book, book.viewer()


def test_a_late_answer_leaves_no_end_blank(page, lab):
    _, viewer = opened(page, lab, "late")
    viewer.ask("v.axis.show(10, 20)")
    viewer.wait("v.panes.held.far && v.panes.held.far.start > 1 && !v.kernel.under")
    viewer.ask(HOLD)
    viewer.ask("v.axis.zoom(1.05, 15)")
    viewer.wait("v.late.length > 0")
    viewer.ask("v.axis.zoom(1.5, 15)")
    covered = "v.panes.held.covers(v.panes.drawn)"
    assert viewer.ask(covered)
    viewer.ask("v.deliver()")
    assert viewer.ask(covered)  # the window before would leave both ends blank
    viewer.ask("v.axis.zoom(3, 15)")
    shown = "v.panes.drawn.stop - v.panes.drawn.start"
    assert viewer.ask(shown) == pytest.approx(viewer.ask("v.panes.held.far.stop - v.panes.held.far.start"))
    for _ in range(3):
        viewer.wait("v.late.length > 0")
        viewer.ask("v.deliver()")
        if viewer.ask(FULL):
            return
    raise AssertionError("the last window was never drawn in full")


def test_a_recording_chosen_out_of_sight_is_drawn_once_in_sight(page, lab, watched):
    book, viewer = opened(page, lab, "unseen", "viewer.choose(1)")
    assert viewer.ask("v.panes.plots.map((one) => one.pane.name)") == ["accel", "light"]
    viewer.ask("void (v.root.parentElement.style.display = 'none')")
    page.wait_for_timeout(200)
    book.run(1)
    viewer.wait("v.meta().shown === 1")
    page.wait_for_timeout(500)
    viewer.ask("void (v.root.parentElement.style.display = '')")
    viewer.wait(FULL)
    assert viewer.ask("v.panes.plots.map((one) => one.pane.name)") == ["gyro"]
    assert viewer.ask("v.panes.plots[0].plot.data.length") == 4
    assert viewer.view[1] < 61
    assert watched.errors == []


@pytest.mark.parametrize("width", [40, 100, 300, 9000])
def test_a_viewer_of_any_width_is_drawn_in_full(page, lab, watched, width):
    _, viewer = opened(page, lab, f"wide{width}")
    viewer.ask(f"void (v.root.style.width = '{width}px')")
    viewer.wait(f"v.axis.width === Math.max(50, {width} - 90) && {FULL}")
    viewer.ask("v.axis.show(10, 20)")
    viewer.wait(f"!v.kernel.under && {FULL} && v.panes.drawn.start === 10")
    viewer.ask("void (v.root.style.width = '')")
    viewer.wait(f"v.axis.width > 500 && v.axis.width < 1400 && {FULL}")
    assert watched.errors == []


def test_a_sample_after_hours_without_any_stands_where_it_was_recorded(page, lab):
    book, viewer = opened(page, lab, "after", "viewer.show(35_999.5, 2.0)")
    book.run(1)
    viewer.wait(f"v.axis.view[0] === 35_999.5 && !v.kernel.under && {FULL}")
    seen = viewer.ask("[...v.panes.plots[0].plot.data[0]].filter((second) => second > 35_990 && second < 36_001)")
    assert seen == pytest.approx([36_000 + 0.02 * k for k in range(len(seen))], abs=1e-6)
    assert len(seen) == 50
    assert viewer.ask("v.panes.plots[0].gaps") == [pytest.approx([35_999.5, 36_000], abs=1e-4)]
    viewer.press("0")  # of bins, all but those in the gap
    viewer.wait(f"v.axis.view[0] === 0 && !v.kernel.under && {FULL}")
    whole = viewer.ask("[...v.panes.plots[0].plot.data[0]]")
    assert whole == sorted(whole)
    assert [len([second for second in whole if 100 < second < 35_950]), whole[0] < 60, whole[-1] > 36_000] == [0, 1, 1]


def test_values_far_from_zero_are_told_apart_on_their_axis(page, lab):
    _, viewer = opened(page, lab, "far")
    viewer.ask("v.axis.show(10, 20)")
    viewer.wait(f"!v.kernel.under && {FULL} && v.panes.drawn.start === 10")
    low, high = viewer.ask("[v.panes.plots[1].plot.scales.y.min, v.panes.plots[1].plot.scales.y.max]")
    assert (low, high) == pytest.approx((1e6 - 0.015, 1e6 + 0.265), abs=1e-3)
    labels = viewer.ask("v.panes.plots[1].plot.axes[1]._values")
    assert len(labels) > 1
    assert len(set(labels)) == len(labels)


def test_a_viewer_closed_while_it_moves_leaves_no_error(page, lab, watched):
    book, viewer = opened(page, lab, "closing", "viewer.close()", "viewer")
    viewer.ask("v.axis.show(10, 20)")
    viewer.ask(
        "void (v.moves = setInterval(() => (v.root.isConnected ? v.axis.pan(0.05) : clearInterval(v.moves)), 20))"
    )
    book.run(1)
    page.wait_for_function("!document.querySelector('.wk-viewer')")
    page.wait_for_timeout(1500)
    assert watched.errors == []
    book.start(2)
    again = book.viewer()
    again.wait(FULL)


def test_a_notebook_closed_while_its_viewer_is_out_of_sight_keeps_it(page, lab):
    book, viewer = opened(page, lab, "shut", "print(viewer._panel._on_pages, viewer._panel._held is viewer)")
    assert "True" in book.run(1)
    viewer.ask("void (v.kernel.model.send = (...told) => (window.told = [...(window.told || []), told[0].kind]))")
    # As the lab does with a cell that is scrolled out of sight, and then the notebook is closed.
    viewer.ask("void v.root.closest('.jp-Cell').remove()")
    page.wait_for_timeout(300)
    page.evaluate("window.jupyterapp.shell.currentWidget.dispose()")
    page.wait_for_timeout(1500)
    assert "left" not in (page.evaluate("window.told") or [])
