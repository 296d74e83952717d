"""Pictures of a cascade: every change of state has its arrow, the trace its states, the surface its chosen point."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests import cascades
from wristkit.detector import STATES, Policy
from wristkit.view import Picture, draw_policy, draw_surface, draw_trace

FULL = Policy(second_chance=0.5, arm_s=1.0, gate_agrees=True, gate_alone=0.9, alone_s=3.0, gate_release_s=2.0)


def axes(*, wide_in=10.0, high_in=4.0):
    return Picture(figsize=(wide_in, high_in), layout="constrained").subplots()


def texts_of(ax):
    return [text.get_text().replace("\n", " ") for text in ax.texts]


@pytest.mark.parametrize("policy", [Policy(), FULL, Policy(span_of="gate", cool_s=0.0)])
def test_a_policy_is_drawn_with_every_change_in_words(policy):
    ax = axes()
    assert draw_policy(ax, policy) is ax
    words = texts_of(ax)
    for arrow in policy.transitions:
        assert arrow.when.replace("\n", " ") in words
    for state in STATES:
        assert (state.replace("_", " ") in words) == (state != "second_chance" or policy.second_chance is not None)
    assert len(ax.get_figure().png()) > 10_000


def test_states_with_the_confirmer_on_have_a_thick_rim():
    def thick(policy):
        return sum(patch.get_linewidth() > 2 for patch in draw_policy(axes(), policy).patches)

    assert thick(FULL) == 3
    assert thick(dataclasses.replace(FULL, span_of="gate")) == 2


def test_words_of_a_policy_stand_apart_and_inside():
    ax = draw_policy(axes(), FULL)
    figure = ax.get_figure()
    figure.png()
    boxes = [text.get_window_extent() for text in ax.texts]
    for place, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.x1 <= figure.bbox.x1
        assert not any(one.overlaps(other) for other in boxes[place + 1 :])


@pytest.fixture(scope="module")
def trace():
    recording = cascades.recording()
    return cascades.cascade(recording).trace(recording)


def test_a_trace_is_drawn_with_scores_states_and_events(trace):
    ax = axes(high_in=3.0)
    assert draw_trace(ax, trace) is ax
    gate, confirm = ax.lines[:2]
    assert np.isfinite(gate.get_xdata()).sum() == len(trace.gate)
    assert np.isfinite(confirm.get_xdata()).sum() == len(trace.confirm)
    assert np.isnan(confirm.get_xdata()).sum() == trace.wakes - 1
    assert "active" in texts_of(ax)
    assert len(ax.collections) == (trace.spans["stop_s"] > trace.spans["start_s"]).sum()
    assert len(ax.get_figure().png()) > 10_000


def test_a_part_of_a_trace_shows_that_part(trace):
    ax = draw_trace(axes(high_in=3.0), trace, start_s=10.0, stop_s=20.0)
    assert ax.get_xlim() == (10.0, 20.0)
    with pytest.raises(ValueError, match="expected a time"):
        draw_trace(axes(), trace, start_s=20.0, stop_s=10.0)


def test_a_surface_rings_the_chosen_point():
    rows = [
        {
            "gate_high": gate,
            "confirm_high": confirm,
            "recall": 1 - 0.3 * gate - 0.2 * confirm,
            "fp_per_hour": 20 * (1 - gate) * (1 - confirm),
            "duty_cycle": 0.4 * (1 - gate),
            "operations_per_hour": 1e8 + 4e9 * (1 - gate),
            "always_on_operations_per_hour": 5e9,
        }
        for gate in (0.3, 0.6, 0.9)
        for confirm in (0.3, 0.6, 0.9)
    ]
    surface = pd.DataFrame(rows).assign(chosen=[place == 4 for place in range(9)])
    ax = axes()
    assert draw_surface(ax, surface) is ax
    words = texts_of(ax)
    assert "gate 0.6, confirmer 0.6 recall 0.70, 3.2 false alarms per hour confirmer on 16 %" in words
    assert {"gate 0.3", "gate 0.6", "gate 0.9"} <= set(words)
    assert len(ax.get_figure().axes) == 2
    assert len(ax.get_figure().png()) > 10_000


def test_gates_whose_lines_end_at_one_place_share_a_name_inside_the_picture():
    rows = [
        {"gate_high": gate, "confirm_high": 0.5, "recall": 1.0, "fp_per_hour": alarms, "operations_per_hour": 1e8}
        for gate, alarms in ((0.5, 2.0), (0.85, 0.0), (0.95, 0.001))
    ]
    held = {"duty_cycle": 0.1, "always_on_operations_per_hour": 5e9, "chosen": [False, True, False]}
    ax = axes()
    draw_surface(ax, pd.DataFrame(rows).assign(**held))
    named = {text.get_text(): text for text in ax.texts if text.get_text().startswith("gate")}
    assert {"gate 0.5", "gate 0.85, 0.95"} <= set(named)
    figure = ax.get_figure()
    figure.png()
    for text in named.values():
        assert text.get_window_extent().x1 <= ax.get_window_extent().x1
