"""A gate wakes a confirmer: the machine by hand, push equal to the recording, what is on, lossy links, tuning."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import cascades
from tests.cascades import bursts, final_table, pieces_of, push_all
from wristkit.detector import STATES, Cascade, Policy, PolicyState, Seen, next_state, tune_cascade
from wristkit.detector.running import Running
from wristkit.detector.stages import Walk
from wristkit.detector.tuning import _chosen as chosen_row
from wristkit.errors import RecordingError
from wristkit.events import EVENT_COLUMNS, EventDecoder
from wristkit.recording import Recording, Stream

EXACT = ["start_s", "stop_s", "label", "decided_s"]


def assert_same_events(pushed, whole):
    pd.testing.assert_frame_equal(pushed[EXACT], whole[EXACT], check_exact=True)
    np.testing.assert_allclose(pushed["score"], whole["score"], rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def recording():
    return cascades.recording()


@pytest.fixture(scope="module")
def cascade(recording):
    return cascades.cascade(recording)


# The machine


def walk(policy, seen):
    """Return the names of the states after each (time, stage, score), and the last state."""
    state, names = policy.start(), []
    for time_s, stage, score in seen:
        for _ in range(len(STATES) + 1):
            before, state = state, next_state(policy, state, Seen(stage, time_s - 0.5, score, "wash"), time_s)
            if state.name == before.name:
                break
        names.append(state.name)
    return names, state


def test_it_arms_wakes_confirms_lasts_and_cools():
    policy = Policy(arm_s=1.0, confirm_timeout_s=5.0, release_s=1.0, cool_s=2.0)
    names, _ = walk(
        policy,
        [
            (0, "gate", 0.3),
            (1, "gate", 0.45),
            (2, "gate", 0.55),
            (3, "gate", 0.7),
            (4, "confirm", 0.5),
            (5, "confirm", 0.7),
            (6, "confirm", 0.45),
            (7, "confirm", 0.1),
            (8, "confirm", 0.1),
            (9, "gate", 0.9),
            (10, "gate", 0.9),
            (11, "gate", 0.9),
        ],
    )
    assert names == [
        "idle",
        *["armed"] * 2,
        *["confirming"] * 2,
        *["active"] * 3,
        *["cooling"] * 2,
        "armed",
        "confirming",
    ]


def test_a_gate_that_lets_go_before_it_lasted_wakes_nothing():
    names, _ = walk(Policy(arm_s=1.0), [(0, "gate", 0.9), (0.5, "gate", 0.9), (0.8, "gate", 0.3), (1.6, "gate", 0.9)])
    assert names == ["armed", "armed", "idle", "armed"]


def test_an_event_starts_where_its_stage_rose_and_ends_where_it_was_last_high():
    rows = [(1, "gate", 0.5), (2, "gate", 0.9), (3, "confirm", 0.5), (4, "confirm", 0.9), (5, "gate", 0.8)]
    _, by_confirm = walk(Policy(), rows)
    _, by_gate = walk(Policy(span_of="gate", release_s=2.0), rows)
    assert (by_confirm.start_s, by_confirm.last_s, by_confirm.listens) == (2.5, 3.5, True)
    assert (by_gate.start_s, by_gate.last_s, by_gate.listens) == (0.5, 4.5, False)
    assert by_confirm.decided_s == by_gate.decided_s == 4.0


def test_who_nearly_convinced_gets_a_second_chance_once():
    policy = Policy(second_chance=0.5, second_chance_s=2.0, confirm_high=0.8, confirm_timeout_s=3.0)
    nearly = [(0, "gate", 0.9), (1, "confirm", 0.6), (3.5, "gate", 0.9)]
    assert walk(policy, nearly)[0][-1] == "second_chance"
    assert walk(policy, [*nearly, (4, "confirm", 0.55)])[0][-1] == "active"
    assert walk(policy, [*nearly, (5.6, "confirm", 0.55)])[0][-1] == "cooling"
    far = [(0, "gate", 0.9), (1, "confirm", 0.4), (3.5, "gate", 0.9)]
    assert walk(policy, far)[0][-1] == "cooling"
    assert walk(dataclasses.replace(policy, second_chance=None), nearly)[0][-1] == "cooling"


def test_late_fusion_holds_the_shares_of_both_scores_against_the_threshold():
    policy = Policy(gate_weight=0.5, confirm_high=0.7)
    assert walk(policy, [(0, "gate", 0.9), (1, "confirm", 0.5)])[0][-1] == "active"
    assert walk(policy, [(0, "gate", 0.9), (1, "gate", 0.5), (2, "confirm", 0.85)])[0][-1] == "confirming"


def test_a_gate_decides_alone_only_where_the_confirmer_gave_nothing():
    policy = Policy(gate_alone=0.9, confirm_timeout_s=2.0)
    assert walk(policy, [(0, "gate", 0.95), (3, "gate", 0.95)])[0][-1] == "active"
    assert walk(policy, [(0, "gate", 0.95), (1, "confirm", 0.1), (3, "gate", 0.95)])[0][-1] == "cooling"
    assert walk(policy, [(0, "gate", 0.8), (3, "gate", 0.8)])[0][-1] == "cooling"


def test_a_gate_that_stays_sure_decides_whatever_is_heard():
    policy = Policy(gate_alone=0.9, alone_s=2.0, confirm_timeout_s=9.0)
    sure = [(0, "gate", 0.95), (1, "gate", 0.9), (1.5, "confirm", 0.1), (1.8, "gate", 0.95)]
    assert walk(policy, sure)[0][-1] == "confirming"
    assert walk(policy, [*sure, (2.0, "gate", 0.9)])[0][-1] == "active"
    assert walk(policy, [*sure, (1.9, "gate", 0.85), (2.0, "gate", 0.9)])[0][-1] == "confirming"
    assert walk(dataclasses.replace(policy, alone_s=None), [*sure, (2.0, "gate", 0.9)])[0][-1] == "confirming"


def test_a_gate_that_has_to_stay_sure_has_to_without_a_confirmer_too():
    policy = Policy(gate_alone=0.9, alone_s=2.0, confirm_timeout_s=3.0)
    once = [(0, "gate", 0.95), (1, "gate", 0.8), (4, "gate", 0.8)]
    assert walk(policy, once)[0][-1] == "cooling"
    assert walk(dataclasses.replace(policy, alone_s=None), once)[0][-1] == "active"
    assert walk(policy, [(0, "gate", 0.95), (2, "gate", 0.95)])[0][-1] == "active"


def test_a_confirmation_waits_for_the_gate_to_agree_and_is_not_forgotten_meanwhile():
    policy = Policy(gate_high=0.8, gate_agrees=True, confirm_timeout_s=3.0)
    heard = [(0, "gate", 0.8), (0.5, "gate", 0.7), (1, "confirm", 0.9), (2, "confirm", 0.1)]
    assert walk(policy, heard)[0][-1] == "confirming"
    names, state = walk(policy, [*heard, (2.4, "gate", 0.85), (2.5, "confirm", 0.1)])
    assert (names[-1], state.score) == ("active", 0.9)
    assert walk(policy, [*heard, (3.1, "gate", 0.85), (3.2, "gate", 0.9)])[0][-1] == "cooling"
    chance = dataclasses.replace(policy, confirm_high=0.95, second_chance=0.85)
    late = [*heard, (3.1, "gate", 0.9), (3.2, "confirm", 0.1)]
    assert walk(chance, late)[0][-1] == "second_chance"  # what came before it is forgotten then


def test_the_confirmer_is_given_up_where_the_gate_lets_go():
    rows = [(0, "gate", 0.9), (1, "gate", 0.1), (1.6, "gate", 0.1)]
    assert walk(Policy(gate_release_s=1.5), rows)[0][-1] == "cooling"
    assert walk(Policy(), rows)[0][-1] == "confirming"


def test_no_event_lasts_for_ever_and_a_gap_makes_it_idle():
    begun = [(0, "gate", 0.9), (1, "confirm", 0.9)]
    lasting = [(second, "confirm", 0.9) for second in range(2, 30)]
    assert walk(Policy(longest_s=10.0, cool_s=60.0), begun + lasting)[0][-1] == "cooling"
    for rows in ([(0, "gate", 0.5)], begun[:1], begun):
        assert walk(Policy(), [*rows, (5, "gate_gap", 0.0)])[0][-1] == "idle"
    assert walk(Policy(), [*begun, (5, "confirm_gap", 0.0)])[0][-1] == "cooling"


policies = st.builds(
    lambda alone, **fields: Policy(gate_alone=alone[0], alone_s=alone[1], **fields),
    alone=st.sampled_from([(None, None), (0.8, None), (0.8, 0.4)]),
    gate_high=st.just(0.6),
    arm_s=st.sampled_from([0.0, 0.5]),
    second_chance=st.sampled_from([None, 0.5]),
    second_chance_s=st.sampled_from([0.0, 1.0]),
    gate_weight=st.sampled_from([0.0, 0.3]),
    gate_agrees=st.booleans(),
    gate_release_s=st.sampled_from([None, 1.0]),
    confirm_timeout_s=st.sampled_from([0.5, 2.0]),
    span_of=st.sampled_from(["gate", "confirm"]),
    release_s=st.sampled_from([0.3, 1.0]),
    longest_s=st.sampled_from([0.5, 4.0]),
    cool_s=st.sampled_from([0.0, 1.0]),
    rejected_s=st.sampled_from([0.0, 1.0]),
)


@settings(max_examples=150, deadline=None)
@given(
    policy=policies,
    rows=st.lists(
        st.tuples(
            st.sampled_from(["gate", "gate", "gate", "confirm", "confirm", "gate_gap", "confirm_gap"]),
            st.sampled_from([0.0, 0.2, 0.45, 0.55, 0.7, 0.95]),
            st.sampled_from([0.0, 0.1, 0.3, 2.0]),
        ),
        max_size=60,
    ),
)
def test_every_change_is_one_that_is_drawn_and_quiet_always_ends_in_idle(policy, rows):
    drawn = {(arrow.source, arrow.target) for arrow in policy.transitions}
    state, time_s = policy.start(), 0.0
    quiet = [("gate", 0.0, 0.5)] * 30
    for stage, score, step_s in rows + quiet:
        time_s += step_s
        for _ in range(8):
            before, state = state, next_state(policy, state, Seen(stage, time_s, score, "wash"), time_s)
            if before.name == state.name:
                break
            by_gap = stage == "gate_gap" and state.name == "idle"
            by_silence = stage == "confirm_gap" and (before.name, state.name) == ("active", "cooling")
            assert by_gap or by_silence or (before.name, state.name) in drawn
            if state.name == "active":
                assert state.start_s <= state.last_s
        else:
            pytest.fail("it runs in circles")
    assert state.name == "idle"


def test_the_machine_is_a_pure_function():
    policy, state = Policy(), PolicyState(name="armed", gate_start_s=0.0, gate_last_s=0.0, gate_peak=0.5)
    seen = Seen("gate", 1.0, 0.9, "wash")
    assert next_state(policy, state, seen, 1.0) == next_state(policy, state, seen, 1.0)
    assert state == PolicyState(name="armed", gate_start_s=0.0, gate_last_s=0.0, gate_peak=0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gate_low": 0.7}, "0 < low <= high"),
        ({"confirm_high": 1.2}, "0 < low <= high"),
        ({"second_chance": 0.2}, "confirm_low"),
        ({"gate_alone": 0.2}, "gate_low"),
        ({"gate_weight": 1.0}, "gate_weight"),
        ({"alone_s": 1.0}, "gate_alone is None"),
        ({"alone_s": 0.0, "gate_alone": 0.9}, "above 0"),
        ({"span_of": "both"}, "'gate' or 'confirm'"),
        ({"release_s": 0.0}, "above 0"),
        ({"cool_s": -1.0}, "0 or more"),
        ({"warm_up_s": float("nan")}, "seconds"),
        ({"max_wait_s": 0.0}, "or None"),
        ({"gate_high": "a"}, "expected a number"),
        ({"arm_s": None}, "expected a number"),
        ({"release_s": True}, "expected a number"),
        ({"second_chance": "0.4"}, "expected a number, or None"),
        ({"max_wait_s": "a"}, "expected a number, or None"),
        ({"gate_agrees": 1}, "expected True or False"),
        ({"label": 5}, "expected a name"),
        ({"always_on": "audio"}, "a tuple of names"),
        ({"label": ""}, "label is ''"),
    ],
)
def test_a_policy_refuses_what_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        Policy(**fields)


def test_a_policy_is_json():
    policy = Policy(second_chance=0.5, always_on=("audio",), wake_on=("wash",), gate_release_s=2.0)
    assert Policy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
    with pytest.raises(ValueError, match="'wake'"):
        Policy.from_dict({"wake": 1})


# A recording


def test_it_finds_what_both_stages_find_and_nothing_else(recording, cascade):
    found = cascade.detect(recording)
    assert tuple(found.columns) == EVENT_COLUMNS
    assert list(found["label"]) == ["wash", "wash"]
    truth = recording.labels[["start_s", "stop_s"]].to_numpy()
    assert (np.abs(found[["start_s"]].to_numpy() - truth[:, :1]) < 1.0).all()
    report = cascade.evaluate(recording)
    assert (report.recall, report.false_alarms.alarms) == (1.0, 0)
    assert "the confirmer was on" in report.notes[-1]


def by_hand(cascade, recording):
    """The slow twin: at each wake a recording cut to what the confirmer may see, the scores of that, one step each."""
    policy, state, time_s, wake, confirm = cascade.policy, cascade.policy.start(), -np.inf, None, []
    gate = list(smoothed(cascade.gate.scores(recording), 2, "gate"))
    events = []
    while gate or confirm:
        which = gate if gate and (not confirm or gate[0][0] <= confirm[0][0]) else confirm
        at_s, seen, _ = which.pop(0)
        time_s = max(time_s, at_s)
        for _ in range(8):
            before, state = state, next_state(policy, state, seen, time_s)
            if before.name == "active" and state.name != "active":
                events.append(before.event)
            if before.name == state.name:
                break
            if state.name == "confirming":
                wake = time_s
                streams = [cut_after(recording[name], after_s) for name, after_s in cascade.sees_after_s(wake).items()]
                cut = Recording.of(streams, wrist="right", crown="left")
                confirm = [
                    (max(score_s, wake), one, gap)
                    for score_s, one, gap in smoothed(cascade.confirm.scores(cut), 2, "confirm")
                ]
        if not state.listens:
            confirm = []
    return events + ([state.event] if state.name == "active" else [])


def cut_after(stream, after_s):
    kept = stream.time > after_s
    if stream.is_uniform:
        start_s = stream.start_s + np.argmax(kept) / stream.rate_hz
        values = stream.values[kept]
        return Stream.uniform(stream.name, values, rate_hz=stream.rate_hz, channels=stream.channels, start_s=start_s)
    return Stream.measured(stream.name, stream.time[kept], stream.values[kept])


def smoothed(scores, count, stage):
    for row, (time_s, centre_s) in enumerate(zip(scores.time, scores.centre_s, strict=True)):
        rows = scores.values[max(0, row - count + 1) : row + 1, 1].astype(np.float64)
        yield float(time_s), Seen(stage, centre_s - (len(rows) - 1) / 2 * scores.hop_s, rows.mean(), "wash"), False


@pytest.mark.parametrize("fields", [{}, {"pre_roll_s": 1.0, "always_on": ("audio",)}, {"span_of": "gate"}])
def test_the_confirmer_sees_only_what_comes_after_the_wake_and_what_is_kept(recording, fields):
    cascade = cascades.cascade(recording, **fields)
    wanted = by_hand(cascade, recording)
    found = cascade.detect(recording)
    assert len(found) == len(wanted) >= 2
    np.testing.assert_allclose(found[["start_s", "stop_s"]], [(one.start_s, one.stop_s) for one in wanted], atol=1e-9)
    np.testing.assert_allclose(found["score"], [one.score for one in wanted], atol=1e-5)
    np.testing.assert_allclose(found["decided_s"], [one.decided_s for one in wanted], atol=1e-4)


def test_no_score_of_the_confirmer_needs_sound_from_before_it_was_warm(recording, cascade):
    trace = cascade.trace(recording)
    wakes_s = trace.spans.loc[trace.spans["state"] == "confirming", "start_s"].to_numpy()
    since_s = wakes_s[np.searchsorted(wakes_s, trace.confirm["time_s"], side="right") - 1]
    length_s = cascade.confirm.spec.length_s
    assert (trace.confirm["centre_s"] - length_s / 2 >= since_s + cascade.policy.warm_up_s - 0.2 / 2).all()


def test_a_pre_roll_lets_it_decide_sooner(recording):
    later = cascades.cascade(recording).detect(recording)
    sooner = cascades.cascade(recording, pre_roll_s=1.0, always_on=("audio",)).detect(recording)
    assert (sooner["decided_s"] < later["decided_s"]).all()


def test_the_trace_accounts_for_every_second(recording, cascade):
    trace = cascade.trace(recording)
    spans = trace.spans
    assert set(spans["state"]) <= set(STATES)
    np.testing.assert_array_equal(spans["stop_s"].to_numpy()[:-1], spans["start_s"].to_numpy()[1:])
    assert (spans["stop_s"] - spans["start_s"]).sum() == pytest.approx(trace.recorded_s)
    on = spans[spans["state"].isin(["confirming", "second_chance", "active"])]
    assert trace.on_s == pytest.approx((on["stop_s"] - on["start_s"]).sum())
    assert trace.duty_cycle == pytest.approx(trace.on_s / trace.recorded_s)
    assert 0.1 < trace.duty_cycle < 0.6
    assert trace.microphone_s == trace.on_s
    assert cascades.cascade(recording, always_on=("audio",)).trace(recording).microphone_s == trace.recorded_s
    with_gate = cascades.cascade(recording, span_of="gate").trace(recording)
    assert with_gate.on_s < trace.on_s
    assert with_gate.wakes == (with_gate.spans["state"] == "confirming").sum()
    assert (
        trace.operations == len(trace.gate) * cascade.gate_operations + len(trace.confirm) * cascade.confirm_operations
    )
    assert trace.operations_per_hour < trace.always_on_operations_per_hour
    assert cascade.gate_operations == 3 * 24 * 2  # three channels, 24 steps of two taps


def test_spans_leave_out_what_was_not_recorded():
    broken = cascades.recording(drop=((9.0, 11.0), (21.5, 22.5)))
    trace = cascades.cascade(broken).trace(broken)
    assert trace.recorded_s < 30.6
    idle = trace.spans[trace.spans["state"] == "idle"]
    assert not ((idle["start_s"] < 10.9) & (idle["stop_s"] > 9.1)).any()
    stops_s = trace.spans.loc[trace.spans["state"] == "confirming", "stop_s"]
    assert (trace.spans["stop_s"] <= broken.stop_s).all()
    assert len(stops_s) == 4


def test_learned_fusion_is_a_confirmer_that_takes_motion_and_sound(recording):
    cascade = cascades.of_small_nets(recording, pre_roll_s=1.2)
    trace = cascade.trace(recording)
    assert len(trace.events) >= 1
    assert trace.wakes >= 2
    assert cascade.sees_after_s(10.0) == {"accel": 8.8, "audio": 10.3}
    assert_same_events(final_table(push_all(cascade, bursts(recording))), trace.events)


def test_without_sound_it_refuses_by_name_or_the_gate_decides_alone(recording):
    silent = cascades.recording(sound=False)
    with pytest.raises(RecordingError, match=r"mel|audio"):
        cascades.cascade(recording).detect(silent)
    alone = cascades.cascade(recording, gate_alone=0.8, span_of="gate", label="wash")
    found = alone.detect(silent)
    assert len(found) == 3
    assert_same_events(final_table(push_all(alone, bursts(silent))), found)
    report = alone.evaluate([silent])
    assert report.recall == 1.0
    assert any("the gate decided alone" in note for note in report.notes)


def test_frames_of_sound_that_were_stored_confirm_too(recording, cascade):
    from wristkit.audio import without_sound

    stored = without_sound(recording)
    assert "audio" not in stored.streams
    found, wanted = cascade.detect(stored), cascade.detect(recording)
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found[["start_s", "stop_s"]], wanted[["start_s", "stop_s"]], atol=0.21)


def test_what_cannot_work_is_refused_when_it_is_put_together(recording):
    with pytest.raises(ValueError, match=r"at least 0\.3"):
        cascades.cascade(recording, release_s=0.1)
    with pytest.raises(ValueError, match="confirmer has no first window"):
        cascades.cascade(recording, confirm_timeout_s=0.2)
    with pytest.raises(ValueError, match="always_on names"):
        cascades.cascade(recording, always_on=("gyro",))
    with pytest.raises(ValueError, match="wake_on names"):
        cascades.cascade(recording, wake_on=("walk",))


# Packets

cuts_of_both = st.fixed_dictionaries(
    {"accel": st.lists(st.integers(0, 3400), max_size=20), "audio": st.lists(st.integers(0, 544_000), max_size=20)}
)


@settings(max_examples=20, deadline=None)
@given(
    cuts=cuts_of_both,
    fields=st.sampled_from(
        [
            {},
            {"span_of": "gate"},
            {"pre_roll_s": 1.5, "always_on": ("audio",)},
            {"second_chance": 0.5, "gate_weight": 0.3},
        ]
    ),
)
def test_push_in_any_partition_equals_detect(cuts, fields):
    recording = cascades.recording()
    cascade = cascades.cascade(recording, **fields)
    whole = cascade.detect(recording)
    assert len(whole) >= 2
    assert_same_events(final_table(push_all(cascade, pieces_of(recording, cuts))), whole)


@pytest.mark.parametrize("delays_s", [{}, {"audio": 2.5}, {"accel": 2.5}])
def test_bursts_of_streams_with_delays_of_their_own_give_the_same_events(recording, cascade, delays_s):
    pushed = push_all(cascade, bursts(recording, delays_s=delays_s))
    assert_same_events(final_table(pushed), cascade.detect(recording))


@pytest.mark.parametrize("fields", [{}, {"pre_roll_s": 1.5, "always_on": ("audio",)}])
@pytest.mark.parametrize("delays_s", [{}, {"audio": 2.5}, {"accel": 2.5}])
def test_packets_lead_through_the_same_states_at_the_same_times(recording, fields, delays_s):
    cascade = cascades.cascade(recording, gate_release_s=1.0, gate_weight=0.2, **fields)
    running = Running(cascade, None, None)
    running.walk = Walk(cascade.policy, keep=True)
    for packet in bursts(recording, delays_s=delays_s):
        running.push(packet)
    running.flush()
    spans = cascade.trace(recording).spans
    assert [(time_s, name) for time_s, name, _ in running.walk.changes] == list(
        spans[["start_s", "state"]].itertuples(index=False, name=None)
    )[1:]


def test_one_stream_after_the_other_gives_the_same_events(recording, cascade):
    for names in (("accel", "audio"), ("audio", "accel")):
        packets = [{name: (recording[name].time, recording[name].values)} for name in names]
        assert_same_events(final_table(push_all(cascade, packets)), cascade.detect(recording))


def test_sound_that_is_sent_only_when_it_is_needed_gives_the_same_events(recording, cascade):
    """A watch that reads ``needed`` after every packet and switches its microphone by it."""
    cascade.reset()
    updates, sent = [], 0
    audio_s = recording["audio"].time
    for packet in bursts(recording.with_streams(), packet_s=0.1):
        if "audio" in packet and "audio" not in cascade.needed:
            continue
        sent += len(packet["audio"][0]) if "audio" in packet else 0
        updates += cascade.push(packet)
    found = final_table(updates + cascade.flush())
    assert 0.3 * len(audio_s) < sent < 0.55 * len(audio_s)
    assert_same_events(found, cascade.detect(recording))


def test_updates_come_once_decided_and_once_final(recording, cascade):
    updates = push_all(cascade, bursts(recording, packet_s=0.3))
    decided = [one.event for one in updates if not one.final]
    final = [one.event for one in updates if one.final]
    assert len(decided) == len(final) == 2
    for early, late in zip(decided, final, strict=True):
        assert (early.start_s, early.decided_s, early.label) == (late.start_s, late.decided_s, late.label)
        assert early.stop_s <= late.stop_s


def test_a_clock_that_runs_fast_moves_the_events_and_no_more(recording, cascade):
    streams = []
    for stream in recording.streams.values():
        if stream.is_uniform:
            continue
        streams.append(Stream.measured(stream.name, stream.time * 1.002, stream.values))
    fast = recording.with_streams(*streams)
    found, wanted = cascade.detect(fast), cascade.detect(recording)
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found[["start_s", "stop_s"]], wanted[["start_s", "stop_s"]], atol=0.45)
    assert_same_events(final_table(push_all(cascade, bursts(fast))), found)


def test_an_error_leaves_all_as_it_was(recording, cascade):
    packets = bursts(recording)
    cascade.reset()
    updates = []
    for place, packet in enumerate(packets):
        if place == 15:
            time_s, values = recording["audio"].between(20, 20.5).time, recording["audio"].between(20, 20.5).values
            accel = recording["accel"].between(20, 20.5)
            wrong = {"accel": (accel.time, accel.values), "audio": (time_s[::-1], values)}
            with pytest.raises(ValueError, match="increase"):
                cascade.push(wrong)
            with pytest.raises(ValueError, match="NaN"):
                cascade.push({"audio": (time_s, np.full(len(time_s), np.nan))})
            with pytest.raises(ValueError, match="not used here"):
                cascade.push({"gyro": ([1.0], [[0.0, 0.0, 0.0]])})
        updates += cascade.push(packet)
    assert_same_events(final_table(updates + cascade.flush()), cascade.detect(recording))


def test_a_sender_may_fill_its_arrays_anew(recording):
    cascade, sent = cascades.cascade(recording, pre_roll_s=1.5, always_on=("audio",)), []
    for packet in bursts(recording):
        copied = {name: (np.array(time_s), np.array(values)) for name, (time_s, values) in packet.items()}
        sent += cascade.push(copied)
        for time_s, values in copied.values():
            time_s[:], values[:] = -1.0, 9.0
    assert_same_events(final_table(sent + cascade.flush()), cascade.detect(recording))


def test_memory_stays_bounded_with_the_microphone_on_or_off(cascade):
    rng = np.random.default_rng(0)
    cascade.reset()
    held = []
    for second in range(40):
        accel_s, audio_s = second + np.arange(100) / 100, second + np.arange(16_000) / 16_000
        wild = 1.0 if second % 10 < 5 else 0.02
        cascade.push({"accel": (accel_s, wild * rng.normal(size=(100, 3)))})
        cascade.push({"audio": (audio_s, 1e-3 * rng.normal(size=16_000))})
        running = cascade._running
        held.append(sum(len(part[0]) for parts in running._held.values() for part in parts) + len(running._gate_rows))
    cascade.reset()
    assert max(held) <= 2 * 16_000 + 20


def test_a_stream_that_stays_away_longer_than_max_wait_does_not_hold_it_up(recording):
    cascade = cascades.cascade(recording, max_wait_s=1.0)
    cascade.reset()
    names = set()
    for packet in bursts(recording):
        if "accel" in packet:
            cascade.push(packet)
            names.add(cascade.state.name)
    assert {"confirming", "idle"} <= names <= {"idle", "armed", "confirming", "cooling"}
    assert cascade._running.walk.wakes >= 3
    assert cascade.flush() == []
    waits = cascades.cascade(recording)
    for packet in bursts(recording):
        if "accel" in packet:
            waits.push(packet)
    assert waits.state.name == "confirming"
    assert waits.needed == ("accel", "audio")
    waits.reset()
    assert waits.needed == ("accel",)


# Saved, and tuned


def test_save_and_load(recording, tmp_path):
    cascade = cascades.of_small_nets(recording, second_chance=0.5, pre_roll_s=1.0)
    again = Cascade.load(cascade.save(tmp_path / "c"))
    assert again.policy == cascade.policy
    assert again.sha256 == cascade.sha256
    pd.testing.assert_frame_equal(again.detect(recording), cascade.detect(recording))
    files = {str(one.relative_to(tmp_path / "c")) for one in (tmp_path / "c").rglob("*") if one.is_file()}
    stages = {f"{stage}/{name}" for stage in ("gate", "confirm") for name in ("detector.json", "weights.safetensors")}
    assert files == {"cascade.json", *stages}


def rewrite(path, change):
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "cascade.json").unlink(), "not_a_detector"),
        (lambda folder: (folder / "cascade.json").write_text("{"), "header"),
        (lambda folder: rewrite(folder / "cascade.json", lambda one: one.update(schema=9)), "schema"),
        (lambda folder: rewrite(folder / "cascade.json", lambda one: one["policy"].update(cool_s=9.0)), "header"),
        (lambda folder: rewrite(folder / "cascade.json", lambda one: one.update(stages={})), "checksum"),
        (lambda folder: (folder / "gate" / "detector.json").unlink(), "not_a_detector"),
        (lambda folder: (folder / "confirm" / "weights.safetensors").write_bytes(b"x"), "checksum"),
    ],
)
def test_a_damaged_folder_gives_one_clear_error(recording, tmp_path, damage, code):
    folder = cascades.of_small_nets(recording).save(tmp_path / "c")
    damage(folder)
    with pytest.raises(RecordingError) as fault:
        Cascade.load(folder)
    assert fault.value.code == code


def test_gate_and_confirmer_are_tuned_together():
    people = [cascades.recording(seed) for seed in (1, 2)]
    cascade = cascades.cascade(people[0])
    tuned = tune_cascade(
        cascade,
        people,
        fp_per_hour=0.0,
        test=[cascades.recording(3)],
        gate_high=(0.5, 0.9),
        confirm_high=(0.3, 0.9, 0.95),
    )
    assert len(tuned.surface) == 6
    assert tuned.surface["chosen"].sum() == 1
    assert tuned.point["recall"] == tuned.surface["recall"].max() == 1.0
    assert tuned.cascade.policy.gate_high == tuned.point["gate_high"]
    assert tuned.cascade.policy.confirm_low <= tuned.cascade.policy.confirm_high == tuned.point["confirm_high"]
    for row in tuned.surface.itertuples():
        policy = dataclasses.replace(
            cascade.policy,
            gate_high=row.gate_high,
            confirm_high=row.confirm_high,
            confirm_low=min(row.confirm_high, cascade.policy.confirm_low),
        )
        report = cascade.with_policy(policy).evaluate(people)
        assert (row.recall, row.fp_per_hour) == (report.recall, report.fp_per_hour)
    assert (tuned.surface["operations_per_hour"] < tuned.surface["always_on_operations_per_hour"]).all()
    assert tuned.people == ("s1", "s2")
    assert len(tune_cascade(cascade, people[:1], fp_per_hour=1.0).surface) >= 2


def test_of_the_pairs_within_the_target_the_best_is_chosen_and_of_equals_the_cheapest():
    columns = ["recall", "fp_per_hour", "duty_cycle", "operations_per_hour"]
    rows = [
        (0.5, 0.0, 0.1, 1e6),
        (0.9, 0.5, 0.1, 5e6),
        (0.9, 0.6, 0.1, 4e6),
        (0.99, 2.0, 0.1, 1e6),
        (1.0, 0.5, 0.4, 1e6),
    ]
    surface = pd.DataFrame(rows, columns=columns)
    assert chosen_row(surface, 1.0, 0.2, "this") == 2
    assert chosen_row(surface, 0.5, 0.2, "this") == 1
    assert chosen_row(surface, 5.0, 1.0, "this") == 4


def test_tuning_refuses_test_people_and_targets_that_nothing_meets():
    people = [cascades.recording(seed) for seed in (1, 2)]
    cascade = cascades.cascade(people[0])
    with pytest.raises(ValueError, match="test people"):
        tune_cascade(cascade, people, fp_per_hour=1.0, test=people[1:])
    with pytest.raises(ValueError, match="no pair"):
        tune_cascade(cascade, people[:1], fp_per_hour=1.0, most_duty_cycle=0.001, gate_high=(0.6,), confirm_high=(0.6,))


def test_tuning_says_what_is_wrong_with_what_it_was_given():
    held = cascades.recording(1)
    cascade = cascades.cascade(held)
    for recordings, tier, message in (
        ([], "truth", "no recording"),
        ([held], "other", "has no event"),
        ([held.with_labels(held.labels.iloc[:0], labelled=held.labelled)], "truth", "has no event"),
        ([held.with_labels(held.labels, labelled={})], "truth", "no span"),
    ):
        with pytest.raises(ValueError, match=message):
            tune_cascade(cascade, recordings, fp_per_hour=1.0, tier=tier)
    for limits, message in (
        ({"fp_per_hour": float("nan")}, "fp_per_hour is nan"),
        ({"fp_per_hour": -1.0}, "fp_per_hour is -1"),
        ({"fp_per_hour": 1.0, "most_duty_cycle": 0.0}, "most_duty_cycle is 0"),
        ({"fp_per_hour": 1.0, "gate_high": ()}, "gate_high is"),
        ({"fp_per_hour": 1.0, "confirm_high": "0.6"}, "confirm_high is '0.6'"),
    ):
        with pytest.raises(ValueError, match=message):
            tune_cascade(cascade, [held], **limits)
    with pytest.raises(TypeError, match="expected a Cascade"):
        tune_cascade(cascade.gate, [held], fp_per_hour=1.0)


def test_a_smoothing_over_more_windows_is_the_same_in_any_partition(recording):
    gate = cascades.gate(recording, decoder=EventDecoder(smooth=5))
    cascade = Cascade(gate, cascades.listener(recording, decoder=EventDecoder(smooth=3)), Policy(confirm_timeout_s=2.0))
    found = cascade.detect(recording)
    assert len(found) >= 1
    assert_same_events(final_table(push_all(cascade, bursts(recording, packet_s=0.07))), found)


@pytest.mark.parametrize("packet_s", [0.07, 1.0])
def test_of_windows_that_one_sample_completes_the_gates_comes_first_in_packets_too(recording, packet_s):
    cascade = Cascade(
        cascades.gate(recording), cascades.gate(recording), Policy(gate_weight=0.6, confirm_high=0.97, pre_roll_s=1.0)
    )
    trace = cascade.trace(recording)
    assert np.isin(trace.confirm["time_s"], trace.gate["time_s"]).any()
    running = Running(cascade, None, None)
    running.walk = Walk(cascade.policy, keep=True)
    for packet in bursts(recording, packet_s=packet_s):
        running.push({name: one for name, one in packet.items() if name == "accel"})
    running.flush()
    fused = [(time_s, score) for time_s, _, score, _ in running.walk.confirmed]
    np.testing.assert_allclose(fused, trace.confirm[["time_s", "score"]], atol=1e-6)
