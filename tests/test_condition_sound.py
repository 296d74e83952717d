"""Sound on the way to a net: the front end is a step of the conditioning, the same by the packet as in one piece."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wristkit as wk
from wristkit.audio import MelParams, mel, without_sound
from wristkit.condition import Conditioning
from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.load import load
from wristkit.recording import Recording, Stream, label_table

RATE_HZ = 50.0


def sound_of(seconds, *, rate_hz=16_000, start_s=0.0, seed=0):
    random = np.random.default_rng(seed)
    samples = (0.1 * random.normal(size=round(seconds * rate_hz))).astype(np.float32)
    return Stream.uniform("audio", samples, rate_hz=rate_hz, start_s=start_s, channels=("mono",))


def motion_of(seconds, *, seed=0):
    values = np.random.default_rng(seed).normal([0, 0, -1], 0.1, (round(seconds * 100), 3))
    return Stream.measured("accel", np.arange(len(values)) / 100, values)


def heard(seconds=4.0, **options):
    return Recording.of([motion_of(seconds), sound_of(seconds, **options)])


def conditioning_of(recording, **options):
    return Conditioning.of([recording], streams=("accel", "mel"), rate_hz=RATE_HZ, **options)


def pushed(conditioning, time_s, samples, sizes):
    """Return what packets of these sizes, again and again, give."""
    state, parts, first, turn = conditioning.start(), [], 0, 0
    while first < len(time_s):
        stop = first + sizes[turn % len(sizes)]
        parts.append(state.push({"audio": (time_s[first:stop], samples[first:stop])})["mel"])
        first, turn = stop, turn + 1
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@settings(max_examples=25)
@given(
    st.lists(st.one_of(st.integers(1, 40), st.integers(200, 9000)), min_size=1, max_size=6).filter(
        lambda s: sum(s) > 400
    ),
    st.sampled_from([16_000, 22_050, 44_100, 48_000, 20_000]),
    st.sampled_from([0.0, 0.3, 7.1]),
)
def test_packets_of_any_size_give_the_bits_of_the_whole(sizes, rate_hz, start_s):
    recording = Recording.of([motion_of(9), sound_of(1.5, rate_hz=rate_hz, start_s=start_s)])
    made = conditioning_of(recording, filters=(Filter("lowpass", (12.0,), order=3),))
    whole = made.run(recording)["mel"]
    audio = recording["audio"]
    places, values, needed_s = pushed(made, audio.time, audio.values, sizes)
    np.testing.assert_array_equal(places, whole.places)
    np.testing.assert_array_equal(values, whole.values)
    np.testing.assert_array_equal(needed_s, whole.needed_s)
    assert len(places) > 40


def test_the_grid_is_that_of_the_stored_frames_and_says_which_sound_it_needed():
    recording = heard()
    made = conditioning_of(recording)
    stored = Recording.of([recording["accel"], mel(recording)])
    of_sound, of_frames = made.run(recording)["mel"], made.run(stored)["mel"]
    np.testing.assert_array_equal(of_sound.places, of_frames.places)
    np.testing.assert_allclose(of_sound.values, of_frames.values, atol=1e-9)
    late_s = of_sound.needed_s - of_frames.needed_s
    np.testing.assert_allclose(late_s, MelParams().delay_s(16_000), atol=1.5 / 16_000)
    assert (of_sound.needed_s <= of_sound.places / RATE_HZ + made.delay_s + 1 / RATE_HZ).all()


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("hole_s", [0.0, 0.001, 0.002, 0.0044, 0.0051, 0.01, 0.02, 0.05, 0.1, 0.5])
def test_features_kept_at_load_give_what_the_sound_itself_gives(tmp_path, rate_hz, hole_s):
    """Within 1e-6 of log power: stored frames are float32, as heard ones are, and stamps exact to 1e-9 s."""
    one, two = sound_of(1.5, rate_hz=rate_hz), sound_of(1.5, rate_hz=rate_hz, start_s=1.5 + hole_s, seed=1)
    time_s, samples = np.concatenate([one.time, two.time]), np.concatenate([one.values, two.values])
    uniform = Stream.uniform("audio", samples, rate_hz=rate_hz, channels=("mono",))
    audio = Stream.measured("audio", time_s, samples, channels=("mono",)) if hole_s else uniform
    recording = Recording.of([motion_of(4), audio])
    featured = load(wk.save(recording, tmp_path / "with_sound"), keep_audio=False)
    assert set(featured.streams) == {"accel", "mel", "level"}
    made = conditioning_of(recording, filters=(Filter("lowpass", (12.0,), order=3),))
    heard_, kept = made.run(recording), made.run(featured)
    for name in ("accel", "mel"):
        np.testing.assert_array_equal(kept[name].places, heard_[name].places)
        np.testing.assert_allclose(kept[name].values, heard_[name].values, rtol=0, atol=1e-6)
    assert len(kept["mel"].places) > 120


def test_stereo_is_refused_with_a_cure_that_works():
    left, right = sound_of(2.0), sound_of(2.0, seed=1)
    both = Stream.uniform("audio", np.hstack([left.values, right.values]), rate_hz=16_000, channels=("left", "right"))
    made, motion = conditioning_of(heard(2.0)), motion_of(2)
    stereo = Recording.of([motion, both])
    with pytest.raises(RecordingError, match="none was chosen") as told:
        made.run(stereo)
    assert "wristkit.audio.without_sound(recording, channels=...)" in told.value.remedy
    cured = made.run(without_sound(stereo, channels=("left",)))["mel"]
    alone = made.run(Recording.of([motion, left]))["mel"]
    np.testing.assert_allclose(cured.values, alone.values, rtol=0, atol=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(15_990, 16_040), max_size=10), st.sampled_from([10, 50]))
def test_samples_that_stand_alone_are_taken_or_refused_however_packets_are_cut(cuts, count):
    dense_s = np.arange(16_000) / 16_000
    alone_s = 1 + 0.05 * np.arange(count)
    time_s = np.concatenate([dense_s, alone_s, alone_s[-1] + 0.05 + dense_s])
    samples = np.random.default_rng(0).normal(scale=0.1, size=len(time_s)).astype(np.float32)
    recording = Recording.of([motion_of(9), Stream.measured("audio", time_s, samples)])
    made, edges = conditioning_of(heard(1.0)), [0, *sorted(cuts), len(time_s)]

    def by_packets():
        state = made.start()
        for first, last in pairwise(edges):
            yield state.push({"audio": (time_s[first:last], samples[first:last])})["mel"]

    if count == 50:
        with pytest.raises(RecordingError, match="in a row of more than"):
            made.run(recording)
        with pytest.raises(ValueError, match="in a row of more than"):
            list(by_packets())
        return
    whole = made.run(recording)["mel"]
    for field, column in zip(whole._fields, zip(*by_packets(), strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(column), getattr(whole, field))


def test_no_output_changes_with_sound_that_comes_after_what_it_needed():
    recording = heard(2.0)
    made, audio = conditioning_of(recording), recording["audio"]
    whole = made.run(recording)["mel"]
    other = np.array(audio.values)
    other[20_000:] = 0.3
    changed = made.run(Recording.of([recording["accel"], Stream.uniform("audio", other, rate_hz=16_000)]))["mel"]
    before = whole.needed_s < audio.time[20_000]
    np.testing.assert_array_equal(whole.values[before], changed.values[before])
    first = int(np.argmin(before))
    assert (whole.values[first + 3] != changed.values[first + 3]).any()


@pytest.mark.parametrize("hole_s", [0.2, 3.0])
def test_a_hole_in_the_sound_is_a_gap(hole_s):
    one, two = sound_of(1.0), sound_of(1.0, start_s=1.0 + hole_s, seed=1)
    time_s = np.concatenate([one.time, two.time])
    audio = Stream.measured("audio", time_s, np.concatenate([one.values, two.values]), channels=("mono",))
    recording = Recording.of([motion_of(6), audio])
    made = conditioning_of(recording)
    grid = made.run(recording)["mel"]
    alone = made.run(Recording.of([motion_of(6), two]))["mel"]
    after = grid.places >= alone.places[0]
    np.testing.assert_array_equal(grid.values[after], alone.values)
    assert not ((grid.places / RATE_HZ > 1.0) & (grid.places / RATE_HZ < 1.0 + hole_s)).any()


def test_missing_samples_are_those_that_never_came():
    recording = heard(1.0)
    values = np.array(recording["audio"].values)
    values[5000:9000] = np.nan
    holed = Recording.of([recording["accel"], Stream.uniform("audio", values, rate_hz=16_000)])
    made, held = conditioning_of(recording), np.isfinite(values[:, 0])
    whole = made.run(holed)["mel"]
    places, pushed_values, _ = pushed(made, recording["audio"].time[held], values[held], [777])
    np.testing.assert_array_equal(places, whole.places)
    np.testing.assert_array_equal(pushed_values, whole.values)
    assert np.isfinite(whole.values).all()


@pytest.mark.parametrize("missing", [1, 16, 70, 85, 1600, 8000])
@pytest.mark.parametrize("kind", ["tone", "noise"])
def test_missing_samples_give_the_same_by_every_way(missing, kind):
    """NaN in the sound, samples left out of packets, and frames that were stored: none splices what was apart."""
    values = np.array(sound_of(2.0).values[:, 0])
    if kind == "tone":
        values = (0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype(np.float32)
    values[10_000 : 10_000 + missing] = np.nan
    recording = Recording.of([motion_of(3), Stream.uniform("audio", values, rate_hz=16_000)])
    made, held = conditioning_of(recording), np.isfinite(values)
    whole = made.run(recording)["mel"]
    for sizes in ([777], [1, 161, 5000]):
        places, found, _ = pushed(made, recording["audio"].time[held], values[held], sizes)
        np.testing.assert_array_equal(places, whole.places)
        np.testing.assert_array_equal(found, whole.values)
    stored = made.run(Recording.of([recording["accel"], mel(recording)]))["mel"]
    np.testing.assert_array_equal(stored.places, whole.places)
    np.testing.assert_allclose(stored.values, whole.values, rtol=0, atol=1e-6)


def test_holes_from_the_first_samples_on_are_not_taken_for_a_slower_rate():
    values = np.array(sound_of(2.0).values[:, 0])
    values[:400:60] = np.nan
    holed = Recording.of([motion_of(3), Stream.uniform("audio", values, rate_hz=16_000)])
    made = conditioning_of(holed)
    stored = Recording.of([holed["accel"], mel(holed)])
    np.testing.assert_allclose(made.run(holed)["mel"].values, made.run(stored)["mel"].values, rtol=0, atol=1e-6)
    values[::60] = np.nan
    everywhere = made.run(Recording.of([holed["accel"], Stream.uniform("audio", values, rate_hz=16_000)]))["mel"]
    assert not len(everywhere.places)  # no 25 ms of sound without a hole


def test_packets_that_are_no_numbers_are_refused():
    state, time_s, samples = conditioning_of(heard(1.0)).start(), np.arange(1600) / 16_000, np.zeros(1600)
    for wrong, says in (
        ((time_s, np.ma.array(samples, mask=time_s > 0.05)), "NaN"),
        ((time_s, samples.astype(complex)), "complex128, expected numbers"),
        ((time_s, samples.astype(str)), "expected numbers"),
        ((time_s.astype(np.float32), samples), "stamps in float32"),
    ):
        with pytest.raises(ValueError, match=says):
            state.push({"audio": wrong})


def test_it_is_written_and_read_as_json_and_named_by_its_input():
    made = conditioning_of(heard())
    assert Conditioning.from_json(made.to_json()) == made
    assert made.inputs == {"accel": "accel", "audio": "mel"}
    assert made.channels[3:5] == ("mel_0", "mel_1")
    assert [step["step"] for step in made.to_dict()["steps"]] == ["log_mel", "frame", "resample"]
    stored = conditioning_of(without_sound(heard()))
    assert stored.mel is None
    assert stored.inputs == {"accel": "accel", "mel": "mel"}


def test_wrong_packets_and_sounds_are_refused_by_name():
    recording = heard(1.0)
    state = conditioning_of(recording).start()
    time_s, samples = np.arange(1600) / 16_000, np.zeros(1600)
    with pytest.raises(ValueError, match=r"streams \['mel'\] are not used here, expected \['accel', 'audio'\]"):
        state.push({"mel": (time_s, samples)})
    with pytest.raises(ValueError, match="NaN"):
        state.push({"audio": (time_s, np.where(time_s > 0.05, np.nan, 0))})
    with pytest.raises(ValueError, match="one channel"):
        state.push({"audio": (time_s, np.zeros((1600, 2)))})
    state.push({"audio": (time_s, samples)})
    with pytest.raises(ValueError, match="do not increase"):
        state.push({"audio": (time_s, samples)})
    slow = Recording.of([motion_of(1), sound_of(1.0, rate_hz=8000)])
    with pytest.raises(RecordingError) as told:
        conditioning_of(recording).run(slow)
    assert told.value.code == "rate"
    with pytest.raises(RecordingError, match="audio"):
        conditioning_of(recording).run(Recording.of([motion_of(1)]))


def test_windows_of_motion_and_sound_share_a_grid_and_a_gap_in_the_sound_counts():
    labels = [(0.0, 4.0, "tap", "truth", "simulated")]
    recording = heard().with_labels(label_table(labels))
    found = wk.windows([recording], streams=("accel", "mel"), rate_hz=RATE_HZ, length_s=1.0, hop_s=0.5)
    assert found.values.shape[1:] == (43, 50)
    assert found.channels[:4] == ("accel_x", "accel_y", "accel_z", "mel_0")
    assert len(found) >= 4


@pytest.mark.parametrize(
    ("rate_hz", "scale", "says"),
    [
        (16_000, 5.0, "divide PCM"),
        (16, 0.1, "give seconds"),
        (8_000, 0.1, "record faster"),
        (15_000, 0.1, "state the rate"),
    ],
)
@pytest.mark.parametrize("before", [0, 100, 1600])
def test_wrong_sound_is_named_and_changes_nothing_beside_it(rate_hz, scale, says, before):
    """Neither the motion of the packet nor any of the sound is taken: the packet may come again, mended."""
    recording = heard(4.0)
    made, accel, audio = conditioning_of(recording), recording["accel"], recording["audio"]
    if rate_hz in (8_000, 15_000):  # of stamps that are not known yet the rate is asked, and else that they keep to it
        says = "state the rate" if before == 1600 else "record faster"
    first_s = audio.time[before]
    state, plain = made.start(), made.start()
    for one in (state, plain):
        one.push({"audio": (audio.time[:before], audio.values[:before])})
    wrong_s = first_s + np.arange(48_000) / rate_hz
    wrong = {"accel": (accel.time, accel.values), "audio": (wrong_s, np.full(48_000, scale))}
    newest_s = state.states["mel"].newest_s
    with pytest.raises(ValueError, match=says):
        state.push(wrong)
    assert state.states["accel"].newest_s == -np.inf
    assert state.states["mel"].newest_s == newest_s
    right = {"accel": (accel.time, accel.values), "audio": (audio.time[before:], audio.values[before:])}
    found, expected = state.push(right), plain.push(right)
    for name in ("accel", "mel"):
        for field in ("places", "values", "needed_s"):
            assert getattr(found[name], field).tobytes() == getattr(expected[name], field).tobytes()


def test_short_stretches_that_complete_nothing_leave_nothing_behind():
    """60 ms of sound at a time: some frames each, and no sample of a grid of 25 Hz."""
    made = Conditioning.of([heard(1.0)], streams=("mel",), rate_hz=25.0)
    state, samples = made.start(), np.zeros(960)
    for number in range(4_000):
        grid = state.push({"audio": (0.26 * number + np.arange(960) / 16_000, samples)})["mel"]
        assert not len(grid.places)
    source = state.states["mel"]
    assert len(source._stamps_s) == len(source._needed_s) <= 10
    source.end_stretch()
    assert len(source._stamps_s) == len(source._needed_s) == 0
