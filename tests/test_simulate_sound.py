"""Simulated sound: what the table says, the laws of rooms and microphones, voices that are voices, and exact truth."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from scipy.signal import welch

from wristkit.audio import TEXTURE_CHANNELS, MelParams, mel, texture
from wristkit.load import load
from wristkit.recording import Recording, Stream
from wristkit.simulate import (
    MICROPHONE,
    PLACES,
    SCENE_STREAMS,
    SCENE_TIERS,
    SOUNDS,
    SPEAKERS,
    Heard,
    MicrophoneParams,
    Room,
    Scene,
    Speaker,
    Truth,
    everyday,
    ideal,
    people,
    session,
    sound,
    speaker,
    speaker_of,
    stage,
    voice,
)
from wristkit.simulate.activities import sitting
from wristkit.simulate.room import amplitude, arriving, record
from wristkit.simulate.room import room as room_at
from wristkit.simulate.sound import drawn, envelope, frame_count, shaped

RATE_HZ = 16_000
WATER = ("tap", "tap_on_hands", "shower", "rain")
OPEN = Room(volume_m3=1e12, rt60_s=0.1)
SILENT = MicrophoneParams(noise_db=-200.0, rustle_db=-np.inf)


def rng(*seed):
    return np.random.default_rng([11, *seed])


def db(values):
    return 10 * np.log10(np.mean(np.square(values, dtype=np.float64)))


def audio_of(samples):
    return Recording.of([Stream.uniform("audio", np.clip(0.05 * samples, -1, 1), rate_hz=RATE_HZ)])


def one_sound(duration_s=6.0, **heard):
    sounds = (Heard(**{"kind": "tap", "start_s": 2.0, "stop_s": 4.0, "distance_m": 1.0} | heard),)
    return Scene(name="listening", duration_s=duration_s, move=sitting, sounds=sounds, place="outdoors")


@pytest.fixture(scope="module")
def person():
    return people(1, seed=3)[0]


# ---- sources ----


@pytest.mark.parametrize("kind", SOUNDS)
def test_each_sound_repeats_with_its_seed_and_has_the_level_of_the_table(kind):
    made, level_db = sound(kind, 3.0, rng=rng(1))
    again, _ = sound(kind, 3.0, rng=rng(1))
    other, _ = sound(kind, 3.0, rng=rng(2))
    np.testing.assert_array_equal(made, again)
    assert made.dtype == np.float32
    assert len(made) == 48_000
    assert np.isfinite(made).all()
    assert not np.array_equal(made, other)
    low, high, _ = SOUNDS[kind]["level_db"]
    assert low <= level_db <= high
    tenths = np.mean(np.square(made, dtype=float).reshape(30, -1), axis=1)
    assert tenths[tenths > 0.0101 * tenths.max()].mean() == pytest.approx(1.0, rel=0.01)


def test_every_number_has_limits_and_a_source():
    for rows in (*SOUNDS.values(), SPEAKERS, *PLACES.values()):
        for low, high, source in rows.values():
            assert low <= high
            assert source
    assert all(
        row.low <= value <= row.high
        for value, row in zip(drawn("tap", rng()).values(), SOUNDS["tap"].values(), strict=True)
    )


def test_noise_has_the_spectrum_that_is_asked_for():
    hz, wanted = np.array([100.0, 500, 2000, 8000]), np.array([-20.0, 0, -6, -24])
    found_hz, power = welch(shaped(600_000, hz, wanted, rng()), RATE_HZ, nperseg=2048)
    inside = (found_hz > 150) & (found_hz < 7500)
    error = 10 * np.log10(power[inside]) - np.interp(found_hz[inside], hz, wanted)
    assert np.abs(error - error.mean()).max() < 1.5


def test_noise_does_not_repeat_and_has_no_seam_between_blocks():
    made = shaped(3 * (1 << 18), np.array([50.0, 8000]), np.array([0.0, -20]), rng())
    spread = np.abs(np.diff(made)).std()
    seams = np.abs(np.diff(made))[(1 << 18) - 1 :: 1 << 18]
    assert (seams < 6 * spread).all()
    halves = made[: 1 << 18], made[1 << 18 : 2 << 18]
    assert abs(np.corrcoef(*halves)[0, 1]) < 0.01


def test_water_swells_as_fast_and_as_deep_as_it_says():
    level = envelope(np.linspace(0, 1, frame_count(1600)), 1600)
    np.testing.assert_allclose(level, np.arange(1600) / 1600, atol=1e-6)
    deep, _ = sound("tap_on_hands", 20.0, rng=rng(3))
    flat, _ = sound("tap", 20.0, rng=rng(3))
    swing = [np.std(np.log(np.mean(np.square(one).reshape(-1, 800), axis=1))) for one in (deep, flat)]
    assert swing[0] > 1.5 * swing[1]


def test_what_is_struck_sounds_when_it_is_struck():
    at_s = np.array([0.5, 1.25, 2.0])
    made, _ = sound("typing", 3.0, rng=rng(), at_s=at_s)
    loud = np.flatnonzero(np.abs(made) > 0)
    gaps = np.flatnonzero(np.diff(loud) > 1600)
    np.testing.assert_allclose(loud[np.concatenate([[0], gaps + 1])] / RATE_HZ, at_s, atol=0.001)


def test_one_thing_sounds_alike_each_time():
    def bands(thing, seed):
        return MelParams().run(0.05 * sound("tap", 2.0, rng=rng(seed), thing=rng(9, thing))[0], rate_hz=RATE_HZ).values

    first, second, other = bands(0, 1).mean(axis=0), bands(0, 2).mean(axis=0), bands(1, 1).mean(axis=0)
    assert np.abs(first - second).mean() < 0.2
    assert np.abs(first - other).mean() > 0.35


# ---- voice ----


@pytest.mark.parametrize("seed", range(4))
def test_a_voice_has_the_pitch_of_its_speaker(seed):
    who = replace(speaker(rng(seed)), breath=0.02)
    made = voice(who, 6.0, rng=rng(seed, 1))
    frames = np.lib.stride_tricks.sliding_window_view(made, 800)[::400]
    frames = frames[np.mean(frames**2, axis=1) > 0.3]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(800), 2048)) ** 2
    same = np.fft.irfft(spectra)
    lags = np.arange(RATE_HZ // 350, RATE_HZ // 70)
    found_hz = RATE_HZ / lags[same[:, lags].argmax(axis=1)]
    assert np.median(found_hz) == pytest.approx(who.pitch_hz, rel=0.15)


def test_a_voice_begins_at_its_first_sample_and_ends_at_its_last():
    for seed in range(8):
        made = voice(speaker(rng(seed)), 1.5, rng=rng(seed, 2))
        assert len(made) == 24_000
        assert db(made[:1600]) > -25
        assert db(made[-2400:]) > -25
        assert abs(made[0]) < 0.01


def test_a_voice_swells_with_its_syllables_and_pauses_between_phrases():
    made = voice(replace(speaker(rng(1)), pause_s=0.4, phrase=5.0), 20.0, rng=rng(1, 3))
    level = np.mean(np.square(made).reshape(-1, 160), axis=1)
    hz, power = welch(level - level.mean(), 100, nperseg=512)
    syllables = (hz > 2) & (hz < 7)
    assert power[syllables].mean() > 3 * power[(hz > 12) & (hz < 30)].mean()
    quiet = np.convolve(level < 0.01, np.ones(15), "valid") == 15
    assert np.count_nonzero(np.diff(quiet.astype(int)) == 1) >= 4


def test_a_short_tract_has_higher_formants():
    def centre_hz(tract):
        who = replace(speaker(rng(5)), tract=tract, pitch_hz=120.0)
        hz, power = welch(voice(who, 20.0, rng=rng(5)), RATE_HZ, nperseg=1024)
        heard = (hz > 200) & (hz < 5000)
        return np.sum(hz[heard] * power[heard] ** 0.5) / np.sum(power[heard] ** 0.5)

    assert centre_hz(1.2) / centre_hz(0.95) > 1.05


def test_a_person_keeps_her_voice_and_others_have_others(person):
    assert speaker_of(person) == speaker_of(replace(person, wrist="right", subject="x", cadence_hz=2.0))
    voices = [speaker_of(one) for one in people(8, seed=1)]
    assert len({who.pitch_hz for who in voices}) == 8
    assert {who.pitch_hz < 160 for who in voices} == {True, False}
    shared = {one.name for one in fields(Speaker)} & set(SPEAKERS)
    assert len(shared) == len(SPEAKERS) - 4
    for name in shared:
        assert SPEAKERS[name].low <= asdict(voices[0])[name] <= SPEAKERS[name].high


def test_a_very_short_voice_is_a_voice():
    made = voice(speaker(rng()), 0.06, rng=rng())
    assert len(made) == 960
    assert np.isfinite(made).all()


# ---- rooms and the microphone ----


def test_in_the_open_sound_falls_by_6_db_for_each_doubling_of_the_distance():
    made, _ = sound("fan", 2.0, rng=rng())
    levels = [db(arriving(made, within=OPEN, distance_m=far_m, rng=rng())) for far_m in (0.25, 0.5, 1.0)]
    np.testing.assert_allclose(np.diff(levels), -6.02, atol=0.2)
    far, near = (arriving(made, within=OPEN, distance_m=far_m, rng=rng()) for far_m in (8.0, 1.0))
    hz, power = welch(np.stack([near[:32_000], far[:32_000]]), RATE_HZ, nperseg=512)
    lost_db = 10 * np.log10(power[0] / power[1])
    assert lost_db[hz > 5000].mean() > lost_db[(hz > 100) & (hz < 800)].mean() + 3  # treble is lost on the way


def test_a_room_rings_as_long_as_it_says_and_as_loud_as_sabine_says():
    within = Room(volume_m3=40.0, rt60_s=0.6)
    click = np.zeros(160, dtype=np.float32)
    click[0] = 1.0
    heard = arriving(click, within=within, distance_m=within.critical_m, rng=rng()).astype(float)
    straight = round(within.critical_m / 343 * RATE_HZ)
    left = np.cumsum(heard[::-1] ** 2)[::-1]
    fallen_db = 10 * np.log10(left[straight + 1 : straight + 8000] / left[straight + 1])
    slope = np.polyfit(np.arange(1000, 6000) / RATE_HZ, fallen_db[1000:6000], 1)[0]
    assert -60 / slope == pytest.approx(0.6, rel=0.15)
    assert heard[straight] ** 2 == pytest.approx(left[straight + 1], rel=0.5)
    assert np.abs(heard[:straight]).max() < 1e-6


def test_a_microphone_has_noise_a_limit_steps_and_rustle():
    silence, still = np.zeros(160_000, dtype=np.float32), np.zeros(1001)
    noise = record(silence, still, MICROPHONE, seed=(11,))
    assert db(noise) + 3.01 + MICROPHONE.full_scale_db == pytest.approx(MICROPHONE.noise_db, abs=0.5)
    steps = noise * 2**15
    assert (steps == np.round(steps)).all()
    sine = np.sqrt(2) * amplitude(100.0) * np.sin(2 * np.pi * 1000 * np.arange(16_000) / RATE_HZ).astype(np.float32)
    full = record(sine, still, SILENT, seed=(11,))
    assert np.abs(full[2000:]).max() == pytest.approx(1.0, abs=0.01)
    assert record(4 * sine, still, SILENT, seed=(11,)).max() == 1 - 2**-15
    rustling = [record(silence, still + speed, MICROPHONE, seed=(11,)) for speed in (1.0, 4.0)]
    assert db(rustling[1]) - db(rustling[0]) > 8
    assert db(rustling[0]) > db(noise) + 6


def test_a_microphone_that_comes_on_later_hears_the_same_bit_by_bit():
    pressure = (1e3 * rng().standard_normal(16_000 * 5 + 700)).astype(np.float32)
    turning = rng(1).uniform(0, 4, len(pressure) // 160 + 2)
    whole = record(pressure, turning, MICROPHONE, seed=(1, 2))
    for second in (1, 3, 5):
        first = 16_000 * second
        part = record(pressure[first:], turning[100 * second :], MICROPHONE, seed=(1, 2), second=second)
        np.testing.assert_array_equal(part[1600:], whole[first + 1600 :])
        assert (part[:160] != whole[first : first + 160]).any() or second == 5
    seconds = record(np.zeros(48_000, np.float32), np.zeros(301), MICROPHONE, seed=(1, 2)).reshape(3, -1)
    assert np.abs(np.corrcoef(seconds) - np.eye(3)).max() < 0.03
    assert not np.array_equal(whole, record(pressure, turning, MICROPHONE, seed=(1, 3)))


# ---- recordings ----


def test_a_recording_repeats_and_its_motion_is_that_of_a_session(person):
    scenes = [everyday("walking", 6.0), everyday("typing", 5.0)]
    first, second = (stage(person, scenes, seed=4, streams=SCENE_STREAMS) for _ in range(2))
    assert first.id == second.id
    other = stage(person, scenes, seed=5, streams=SCENE_STREAMS)
    for name in SCENE_STREAMS:
        assert not np.array_equal(first[name].values, other[name].values)
    typed = first.audio.between(7, 11).values[:, 0], other.audio.between(7, 11).values[:, 0]
    assert abs(db(typed[0]) - db(typed[1])) > 0.5  # another room, another keyboard
    alone = stage(person, scenes, seed=4, streams=("accel", "gyro"))
    np.testing.assert_array_equal(alone.accel.values, first.accel.values)
    same = session(person, seed=4, plan=(("walking", 6.0), ("typing", 5.0)))
    np.testing.assert_array_equal(same.accel.values[:250], first.accel.values[:250])
    assert first.is_simulated
    assert set(first.findings["code"]) == {"rate_stated"}
    assert (first.audio.rate_hz, first.audio.start_s, len(first.audio)) == (RATE_HZ, 0.0, 11 * RATE_HZ)


def test_sound_is_where_the_scene_puts_it(person):
    scenes = [everyday("sitting", 4.0), one_sound(louder_db=20.0)]
    heard = stage(person, scenes, seed=1, microphone=SILENT).audio.values[:, 0]
    level = np.mean(np.square(heard).reshape(-1, 160), axis=1)
    loud = np.flatnonzero(level > 0.05 * np.median(level[620:780]))
    assert loud[0] == pytest.approx(600, abs=2)
    assert loud[-1] == pytest.approx(800, abs=8)  # and the tail of the place


def test_truth_is_in_its_tiers_and_known_for_the_whole_recording(person):
    truths = (Truth(1.0, 2.0, "gesture_a"), Truth(0.5, 3.0, "b", "gesture"))
    scene = Scene(name="a", duration_s=4.0, move=sitting, truths=truths)
    fast = replace(ideal(50.0), clock_error_ppm=1e4)
    recording = stage(person, [everyday("sitting", 3.0), scene], seed=1, sensor=fast)
    rows = {(row.label, row.tier): (row.start_s, row.stop_s) for row in recording.labels.itertuples()}
    assert rows["a", "scene"] == pytest.approx((3.03, 7.07))
    assert rows["gesture_a", "truth"] == pytest.approx((4.04, 5.05))
    assert rows["b", "gesture"] == pytest.approx((3.535, 6.06))
    assert set(recording.labelled) == set(SCENE_TIERS)
    assert all(spans.tolist() == [pytest.approx([0, 7.07])] for spans in recording.labelled.values())
    assert recording.audio.rate_hz == pytest.approx(RATE_HZ / 1.01)
    assert recording.audio.stop_s == pytest.approx(7.07, abs=0.001)


def test_a_microphone_may_begin_later_and_stamp_later(person):
    plain = stage(person, [one_sound()], seed=1)
    late = stage(person, [one_sound()], seed=1, microphone=replace(MICROPHONE, starts_s=0.5, late_s=0.2))
    np.testing.assert_array_equal(late.audio.values, plain.audio.values[8000:])
    assert late.audio.start_s == pytest.approx(0.7)
    np.testing.assert_array_equal(late.accel.values, plain.accel.values)


def test_sound_that_is_cut_off_is_a_finding(person):
    loud = stage(person, [one_sound(louder_db=60.0)], seed=1)
    found = loud.findings[loud.findings["code"] == "saturated"].iloc[0]
    samples = loud.audio.values[:, 0]
    assert found["count"] == np.count_nonzero((samples == samples.max()) | (samples <= -1 + 2**-15)) > 100
    assert found["start_s"] == pytest.approx(2.0, abs=0.05)


def test_the_front_end_hears_what_was_simulated(person):
    made = {
        "water": [texture(audio_of(sound(kind, 4.0, rng=rng(seed))[0])) for kind in WATER for seed in range(3)],
        "voice": [texture(audio_of(voice(speaker(rng(seed)), 4.0, rng=rng(seed)))) for seed in range(6)],
    }
    means = {name: np.array([one.values[100:].mean(axis=0) for one in all_]) for name, all_ in made.items()}
    water, speech = TEXTURE_CHANNELS.index("water"), TEXTURE_CHANNELS.index("speech")
    assert means["water"][:, water].min() > means["voice"][:, water].max()
    assert means["voice"][:, speech].min() > means["water"][:, speech].max()


def test_far_speech_is_quieter_and_less_dry_than_near_speech():
    within, made = Room(volume_m3=40.0, rt60_s=0.6), voice(speaker(rng(2)), 5.0, rng=rng(2))
    near, far = (arriving(made, within=within, distance_m=far_m, rng=rng(4)) for far_m in (0.15, 4.0))
    assert db(near) - db(far) > 8
    dryness = TEXTURE_CHANNELS.index("dryness")
    scaled = [one / np.sqrt(np.mean(one**2)) for one in (near, far)]
    dry = [texture(audio_of(one)).values[:, dryness].mean() for one in scaled]
    assert dry[0] > dry[1] + 0.03


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: sound("thunder", 1.0, rng=rng()), "thunder.*expected one of"),
        (lambda: sound("tap", 0.0, rng=rng()), "duration_s is 0"),
        (lambda: sound("tap", np.nan, rng=rng()), "duration_s is nan"),
        (lambda: sound("tap", 1.0, rng=rng(), at_s=np.array([0.5])), "not struck"),
        (lambda: sound("typing", 1.0, rng=rng(), at_s=np.array([1.5])), "from 0 to 1"),
        (lambda: voice(speaker(rng()), -1.0, rng=rng()), "duration_s is -1"),
        (lambda: Room(volume_m3=0.0, rt60_s=0.5), "positive volume"),
        (lambda: room_at("moon", rng()), "moon.*expected one of"),
        (lambda: arriving(np.zeros(9, np.float32), within=OPEN, distance_m=0.0, rng=rng()), "at least 0.02"),
        (lambda: MicrophoneParams(noise_db=120.0), "noise_db below"),
        (lambda: MicrophoneParams(bits=4), "bits is 4"),
        (lambda: MicrophoneParams(low_cut_hz=0.0), "low_cut_hz is 0"),
        (lambda: MicrophoneParams(starts_s=-1.0), "starts_s"),
        (lambda: Heard(kind="thunder", start_s=0, stop_s=1, distance_m=1), "thunder"),
        (lambda: Heard(kind="voice", start_s=0, stop_s=1, distance_m=1), "a speaker"),
        (lambda: Heard(kind="tap", start_s=1, stop_s=1, distance_m=1), "start_s < stop_s"),
        (lambda: Scene(name="a", duration_s=1.0, move=sitting), "at least 2"),
        (lambda: Scene(name="a", duration_s=4.0, move=sitting, truths=(Truth(1, 5, "b"),)), "stop_s <= 4"),
        (lambda: Scene(name="a", duration_s=4.0, move=sitting, truths=(Truth(1, 2, "b", "my"),)), "expected a tier"),
        (lambda: everyday("flying", 4.0), "flying.*give move"),
        (lambda: stage(people(1, seed=1)[0], [], seed=1), "scenes is empty"),
        (lambda: stage(people(1, seed=1)[0], [one_sound()], seed=None), "seed is None"),
        (lambda: stage(people(1, seed=1)[0], [one_sound()], seed=1, streams=("ppg",)), "ppg"),
    ],
)
def test_wrong_requests_say_what_is_possible(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()


# ---- against real sounds ----


def spectrum(recording):
    """Return (40,) dB of the long-term mean power of each mel band against all of them, where it sounds."""
    power = np.exp(mel(recording).values.astype(float))
    power = power[power.sum(axis=1) > 0.01 * np.percentile(power.sum(axis=1), 95)].mean(axis=0)
    return 10 * np.log10(power / power.sum())


def swing(recording):
    """Return the deviation in dB of the level of 10 ms over time."""
    power = np.exp(mel(recording).values.astype(float)).sum(axis=1)
    return np.std(10 * np.log10(power))


def clips(folder, pattern):
    for path in sorted(folder.glob(pattern)):
        recording = load(path)
        heard = np.flatnonzero(recording["audio"].values[:, 0])
        yield recording.between(0, (heard[-1] + 1) / recording["audio"].rate_hz)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("pattern", "makes", "apart_db"),
    [
        ("esc10/002*/*.ogg", lambda seed: sound(WATER[seed % 4], 4.0, rng=rng(seed))[0], 5.0),
        ("speech/*/*.wav", lambda seed: voice(speaker(rng(seed)), 4.0, rng=rng(seed, 1)), 5.0),
    ],
    ids=["water and rain", "voice and speech"],
)
def test_simulated_sounds_are_near_real_ones(real_data, pattern, makes, apart_db):
    real = list(clips(real_data / "audio", pattern))
    made = [audio_of(makes(seed)) for seed in range(12)]
    spectra = [np.array([spectrum(one) for one in group]) for group in (real, made)]
    apart = np.sqrt(np.mean((spectra[0].mean(axis=0) - spectra[1].mean(axis=0)) ** 2))
    among_real = np.sqrt(np.mean((spectra[0] - spectra[0].mean(axis=0)) ** 2))
    assert apart < min(apart_db, among_real)  # no farther from the mean than real clips are
    swings = [np.array([swing(one) for one in group]) for group in (real, made)]
    assert swings[0].min() - 1 < np.median(swings[1]) < swings[0].max() + 1
