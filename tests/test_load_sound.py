"""Sound files: exact samples, and what is said where a header promises more than is there."""

import gzip
import io
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.formats import sound as writer
from wristkit.audio import level, mel
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import load
from wristkit.load import ogg as ogg_room
from wristkit.load.gather import Request
from wristkit.load.members import find_members
from wristkit.load.sound import audio_track, read, recognises
from wristkit.load.spool import Spool
from wristkit.recording import Recording, Stream
from wristkit.store import save


def track_of(path):
    (track,) = read(path, Request(Spool())).tracks
    return track


def codes(track):
    return [remark.code for remark in track.remarks]


def made(tmp_path, content, name="sound.wav"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_samples_of_a_wav_are_those_that_were_written_at_full_scale_1(tmp_path):
    track = track_of(writer.write(tmp_path, channels=1))
    np.testing.assert_array_equal(track.values, np.round(writer.tone() * 32767).astype(np.float32) / 32768)
    assert track.values.dtype == np.float32
    assert (track.name, track.rate_hz, track.time_ns, track.remarks) == ("audio", 16_000, None, ())


@pytest.mark.parametrize(("channels", "names"), [(1, ("audio",)), (2, ("left", "right")), (4, ("1", "2", "3", "4"))])
def test_channels_are_named_and_not_mixed(tmp_path, channels, names):
    track = track_of(writer.write(tmp_path, channels=channels))
    assert tuple(track.channels) == names
    np.testing.assert_allclose(track.values, writer.tone(channels=channels), atol=1e-4)


@pytest.mark.parametrize("kind", ["FLAC", "VORBIS", "OPUS"])
def test_coded_sound_has_its_length_and_its_tone(tmp_path, kind):
    track = track_of(writer.write(tmp_path, kind=kind, channels=2))
    tone = writer.tone(channels=2)
    assert track.values.shape == tone.shape
    assert np.corrcoef(track.values[:, 0], tone[:, 0])[0, 1] > 0.98
    assert track.remarks == ()


def test_a_suffix_says_nothing(tmp_path):
    path = writer.write(tmp_path, kind="FLAC", name="sound.raw")
    assert recognises(path)
    assert len(track_of(path).values) == 8_000


def test_the_source_names_format_file_and_hash_and_the_clock_is_unknown(tmp_path):
    gathered = read(writer.write(tmp_path), Request(Spool()))
    assert gathered.clock == "none"
    assert set(gathered.source) == {"format", "file", "content_hash"}
    assert gathered.source["file"] == "sound.wav"


def test_long_sound_goes_through_the_spool_onto_disk(tmp_path):
    (tmp_path / "spool").mkdir()
    path = writer.write(tmp_path, seconds=3, channels=2)
    (track,) = read(path, Request(Spool(tmp_path / "spool"))).tracks
    assert isinstance(track.values.base, np.memmap) or isinstance(track.values, np.memmap)
    np.testing.assert_array_equal(track.values, track_of(path).values)


@pytest.mark.parametrize("kept", [100, 5_001, 15_999])
def test_a_cut_wav_gives_what_is_there_and_names_both_numbers(tmp_path, kept):
    whole = writer.wav(writer.tone())
    track = track_of(made(tmp_path, whole[: 44 + kept]))
    assert len(track.values) == kept // 2
    (remark,) = track.remarks
    assert (remark.code, remark.count) == ("truncated", 8_000 - kept // 2)
    assert "8000" in remark.note
    assert str(kept // 2) in remark.note


def test_a_header_that_promises_gigabytes_costs_nothing(tmp_path):
    track = track_of(made(tmp_path, writer.wav(writer.tone(), promised_bytes=2**31)))
    assert len(track.values) == 8_000
    assert codes(track) == ["truncated"]


def test_chunks_after_the_sound_are_not_sound(tmp_path):
    note = writer.chunk(b"LIST", b"INFOINAM\x05\0\0\0Anna\0\0")
    assert len(track_of(made(tmp_path, writer.wav(writer.tone(), after=note))).values) == 8_000


def test_a_recording_that_was_never_finished_is_read_or_refused_by_name(tmp_path):
    open_end = track_of(made(tmp_path, writer.wav(writer.tone(), promised_bytes=0xFFFFFFFF)))
    assert len(open_end.values) == 8_000
    assert codes(open_end) == ["length_unstated"]
    with pytest.raises(RecordingError, match="16000 bytes of sound follow") as caught:
        track_of(made(tmp_path, writer.wav(writer.tone(), promised_bytes=0)))
    assert caught.value.code == "length_unstated"


def test_a_cut_flac_gives_its_whole_blocks(tmp_path):
    path = writer.write(tmp_path, kind="FLAC", seconds=2)
    whole = track_of(path).values
    track = track_of(made(tmp_path, path.read_bytes()[: path.stat().st_size * 2 // 3]))
    assert 8_000 < len(track.values) < 32_000
    np.testing.assert_array_equal(track.values, whole[: len(track.values)])
    assert codes(track) == ["truncated"]
    assert "32000 frames are promised" in track.remarks[0].note


def test_a_cut_ogg_is_told_by_its_missing_end(tmp_path):
    path = writer.write(tmp_path, kind="OPUS", seconds=3)
    track = track_of(made(tmp_path, path.read_bytes()[: path.stat().st_size * 2 // 3]))
    assert 0 < len(track.values) < 48_000
    assert codes(track) == ["truncated"]


def test_rate_and_bytes_a_second_that_contradict_each_other_are_told(tmp_path):
    track = track_of(made(tmp_path, writer.wav(writer.tone(), bytes_a_second=44_100 * 2)))
    assert codes(track) == ["rate_contradicts"]
    assert track.rate_hz == 16_000


def test_the_time_of_a_broadcast_wave_is_told_and_not_believed_and_its_text_is_not_read(tmp_path):
    content = writer.wav(writer.tone(), before=writer.bext("2024-05-01", "10:11:12"))
    gathered = read(made(tmp_path, content), Request(Spool()))
    (remark,) = gathered.tracks[0].remarks
    assert remark.code == "start_stated"
    assert "2024-05-01 10:11:12" in remark.note
    assert gathered.clock == "none"
    assert "Anna" not in repr(gathered)


def test_a_broadcast_wave_with_text_for_a_date_says_nothing(tmp_path):
    content = writer.wav(writer.tone(), before=writer.bext("Anna Smith", "at home!"))
    assert track_of(made(tmp_path, content)).remarks == ()


@pytest.mark.parametrize("rate_hz", [50, 100, 999])
def test_a_wav_below_1_kilohertz_is_motion(tmp_path, rate_hz):
    with pytest.raises(NotThisFormatError, match=rf"rate is {rate_hz} Hz.*may hold motion"):
        track_of(writer.write(tmp_path, rate_hz=rate_hz, seconds=2))


def test_a_rate_that_no_microphone_has_is_damage(tmp_path):
    with pytest.raises(RecordingError, match="2000000000 Hz") as caught:
        track_of(made(tmp_path, writer.wav(writer.tone(), rate_hz=2_000_000_000)))
    assert caught.value.code == "rate"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_float_sound_that_is_no_number_is_refused_with_its_frame(tmp_path, wrong):
    samples = writer.tone(channels=2)
    samples[5_000, 1] = wrong
    with pytest.raises(RecordingError, match="row 5000") as caught:
        track_of(made(tmp_path, writer.wav(samples, floating=True)))
    assert caught.value.code == "not_finite"


def test_float_sound_beyond_full_scale_is_not_clipped(tmp_path):
    track = track_of(made(tmp_path, writer.wav(3 * writer.tone(), floating=True)))
    assert track.values.max() == pytest.approx(1.5, abs=1e-3)


def test_no_frames_are_an_empty_recording(tmp_path):
    with pytest.raises(EmptyRecordingError, match="no sound"):
        track_of(writer.write(tmp_path, seconds=0))


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"ID3\x04" + bytes(60), "MP3"), (b"\xff\xfb\x90\x64" + bytes(60), "MP3"), (bytes(4) + b"ftypM4A ", "AAC")],
)
def test_what_is_not_read_is_named(tmp_path, content, named):
    path = made(tmp_path, content)
    assert recognises(path)
    with pytest.raises(NotThisFormatError, match=named) as caught:
        track_of(path)
    assert "FLAC" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0AVI LIST", b"time,x,y,z\n1,2,3,4\n", bytes(64)])
def test_what_is_no_sound_is_not_recognised(tmp_path, content):
    assert not recognises(made(tmp_path, content))


def test_a_folder_is_not_recognised(tmp_path):
    assert not recognises(tmp_path)


@pytest.mark.parametrize("start", [b"RIFF\xff\xff\xff\xffWAVE", b"fLaC", b"OggS", b"caff"])
def test_a_start_without_sound_is_one_of_our_errors(tmp_path, start):
    with pytest.raises(RecordingError):
        track_of(made(tmp_path, start + bytes(100)))


def test_silence_that_unpacks_a_thousandfold_is_refused(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((3_000_000, 8), dtype=np.int16), 48_000, format="FLAC")
    with pytest.raises(RecordingError, match="1000 times") as caught:
        track_of(made(tmp_path, buffer.getvalue()))
    assert caught.value.code == "sound_bomb"


def test_silence_is_measured_against_what_it_takes_in_its_zip(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(20 * 2**20, dtype=np.int16), 48_000, format="FLAC")
    start, rest = buffer.getvalue()[:42], buffer.getvalue()[42:]
    padding = b"\x01" + (10**6).to_bytes(3, "big") + bytes(10**6)
    path = made(tmp_path, start + padding + rest, "sound.flac")
    assert len(track_of(path).values) == 20 * 2**20
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    with pytest.raises(RecordingError) as caught:
        audio_track(find_members(packed, (path.name,)), path.name, spool=Spool())
    assert caught.value.code == "sound_bomb"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OPUS"])
def test_packed_sound_is_the_same_sound(tmp_path, kind):
    path = writer.write(tmp_path, kind=kind)
    packed = made(tmp_path, gzip.compress(path.read_bytes()), "packed.wav")
    np.testing.assert_array_equal(track_of(packed).values, track_of(path).values)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OPUS"])
def test_sound_beside_motion_in_a_zip_is_the_same_and_starts_where_it_is_said_to(tmp_path, kind):
    path = writer.write(tmp_path, kind=kind)
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    members = find_members(packed, (path.name,))
    track = audio_track(members, path.name, spool=Spool(), start_ns=1_700_000_000_000_000_000)
    np.testing.assert_array_equal(track.values, track_of(path).values)
    assert track.start_ns == 1_700_000_000_000_000_000


def test_sound_in_a_damaged_zip_is_one_of_our_errors(tmp_path):
    path, packed = writer.write(tmp_path), tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    broken = bytearray(packed.read_bytes())
    broken[200:260] = bytes(60)
    packed.write_bytes(broken)
    with pytest.raises(RecordingError) as caught:
        audio_track(find_members(packed, (path.name,)), path.name, spool=Spool())
    assert caught.value.code == "damaged_zip"


_FUZZ = """
import random, sys
from pathlib import Path
from wristkit.errors import RecordingError
from wristkit.load.gather import Request
from wristkit.load.sound import read
from wristkit.load.spool import Spool

source, count = Path(sys.argv[1]), int(sys.argv[2])
content, chance, ends = source.read_bytes(), random.Random(3), {"read": 0, "refused": 0}
for _ in range(count):
    broken = bytearray(content)
    for _ in range(chance.choice((1, 3, 20))):
        broken[min(int(chance.expovariate(4 / len(broken))), len(broken) - 1)] = chance.randrange(256)
    if chance.random() < 0.3:
        del broken[chance.randrange(len(broken)):]
    path = source.with_name("broken")
    path.write_bytes(broken)
    try:
        track, = read(path, Request(Spool())).tracks
        ends["read"] += 1
    except RecordingError:
        ends["refused"] += 1
print(ends["read"] + ends["refused"])
"""


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "VORBIS", "OPUS"])
def test_broken_bytes_end_in_a_track_or_in_one_of_our_errors(tmp_path, kind):
    path = writer.write(tmp_path, kind=kind, seconds=0.3)
    # In a process of its own: a decoder in C could take the tests down with it.
    child = [sys.executable, "-c", _FUZZ, str(path), "300"]
    ended = subprocess.run(child, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    assert (ended.returncode, ended.stdout.strip()) == (0, "300"), ended.stderr[-2000:]


@pytest.mark.real_data
def test_real_speech_and_noises_are_read_to_their_end(real_data):
    paths = [*(real_data / "audio").rglob("*.wav"), *(real_data / "audio").rglob("*.ogg")]
    assert len(paths) > 50
    for path in sorted(paths)[::5]:
        track, known = track_of(path), soundfile.info(str(path))
        assert (len(track.values), track.rate_hz) == (known.frames, known.samplerate)
        assert track.remarks == ()


def ogg(samples, subtype="VORBIS"):
    out = io.BytesIO()
    soundfile.write(out, samples, 16_000, format="OGG", subtype=subtype)
    return out.getvalue()


def noise(count=16_000):
    return np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)


def pages_of(content):
    at, found = 0, []
    while at >= 0:
        found.append(at)
        at = content.find(b"OggS", at + 4)
    return found


# How close sound behind a loss comes to what it was: a codec that predicts never quite forgets.
CLOSE = {"VORBIS": 0.0, "OPUS": 0.05}


def assert_in_place(track, whole, close):
    """Assert that sound that is there is what it was, and that the finding tells what is not; return the finding."""
    assert track.values.shape == whole.shape
    missing = np.isnan(track.values[:, 0])
    assert np.abs(track.values - whole)[~missing].max() <= close
    (remark,) = track.remarks
    assert (remark.code, remark.count) == ("damaged_pages", missing.sum())
    first, last = np.flatnonzero(missing)[[0, -1]]
    np.testing.assert_allclose(remark.span_ns, [first / 16_000 * 1e9, (last + 1) / 16_000 * 1e9], atol=1)
    return remark


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_sound_behind_a_lost_or_damaged_page_of_an_ogg_stays_in_its_place(tmp_path, subtype):
    content = ogg(noise(160_000), subtype)
    whole = track_of(made(tmp_path, content))
    assert whole.remarks == ()
    first, second = pages_of(content)[5:7]
    flipped = bytearray(content)
    flipped[(first + second) // 2] ^= 0x10
    for broken in (content[:first] + content[second:], bytes(flipped)):
        remark = assert_in_place(track_of(made(tmp_path, broken)), whole.values, CLOSE[subtype])
        assert remark.note.startswith(f"1 pages are damaged or not there: {remark.count} of 160000 frames are missing")
        assert 12_000 < remark.count < 20_000
        assert f"in 1 places from {remark.span_ns[0] / 1e9:.3f} s to {remark.span_ns[1] / 1e9:.3f} s" in remark.note


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lost", [[0], [0, 1], [-2], [1, 3], [2, 3, 6], [0, -2], [1, 2, 3, 4, 5, 6]])
def test_whichever_pages_of_an_ogg_are_lost_no_sound_is_moved(tmp_path, subtype, channels, lost):
    content = ogg(noise(160_000 * channels).reshape(-1, channels), subtype)
    whole = track_of(made(tmp_path, content)).values
    edges = [*pages_of(content), len(content)]
    sound = range(2, len(edges) - 1)  # behind the headers
    lost = {sound[number] for number in lost}
    kept = b"".join(content[edges[one] : edges[one + 1]] for one in range(len(edges) - 1) if one not in lost)
    assert_in_place(track_of(made(tmp_path, kept)), whole, CLOSE[subtype])
    (tmp_path / "spool").mkdir()
    (track,) = read(made(tmp_path, kept), Request(Spool(tmp_path / "spool"))).tracks
    assert_in_place(track, whole, CLOSE[subtype])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_that_lacks_a_page_and_its_end_is_told_of_both(tmp_path, subtype):
    content = ogg(noise(160_000), subtype)
    whole = track_of(made(tmp_path, content)).values
    edges = pages_of(content)
    track = track_of(made(tmp_path, content[: edges[4]] + content[edges[5] : edges[-1]]))
    assert codes(track) == ["damaged_pages", "truncated"]
    held = ~np.isnan(track.values[:, 0])
    assert np.abs(track.values - whole[: len(held)])[held].max() <= CLOSE[subtype]


def test_an_ogg_whose_headers_are_lost_or_whose_pages_go_back_is_refused(tmp_path):
    content = ogg(noise(160_000))
    edges = pages_of(content)
    twice = content[: edges[6]] + content[edges[4] :]
    headless = content[: edges[1]] + content[edges[2] : edges[5]] + content[edges[6] :]
    for broken in (twice, headless):
        with pytest.raises(RecordingError, match="when later sound was is not known") as caught:
            track_of(made(tmp_path, broken))
        assert caught.value.code == "damaged_pages"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_of_which_nothing_is_left_that_has_a_place_is_empty(tmp_path, subtype):
    content = ogg(noise(160_000), subtype)
    edges = pages_of(content)
    for rest in (content[edges[-1] :], b"OggS\0" * 2_000):
        with pytest.raises(EmptyRecordingError, match="no page of it tells when it was"):
            track_of(made(tmp_path, content[: edges[2]] + rest))


def test_pages_of_an_ogg_that_claim_years_are_refused(tmp_path):
    content = bytearray(ogg(noise(160_000)))
    edges = pages_of(content)
    late = bytearray(content[edges[5] : edges[6]])
    late[6:14] = (2**60).to_bytes(8, "little")
    late[22:26] = bytes(4)
    late[22:26] = ogg_room._checksum(bytes(late))
    with pytest.raises(RecordingError) as caught:
        track_of(made(tmp_path, bytes(content[: edges[4]] + late + content[edges[7] :])))
    assert caught.value.code == "sound_bomb"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_second_stream_behind_the_end_of_an_ogg_is_refused(tmp_path, subtype):
    whole = ogg(noise())
    with pytest.raises(RecordingError) as caught:
        track_of(made(tmp_path, whole + ogg(noise(8_000), subtype)))
    assert (caught.value.code, caught.value.byte) == ("several_recordings", len(whole))


def test_damage_of_an_ogg_costs_little_time(tmp_path):
    track = track_of(made(tmp_path, ogg(noise()) + b"OggS\0" * 200_000))
    assert codes(track) == ["truncated"]


def encoded(samples, form):
    out = io.BytesIO()
    soundfile.write(out, samples, 16_000, format=form)
    return out.getvalue()


def test_a_wav_that_counts_less_sound_than_follows_is_told(tmp_path):
    whole = bytearray(encoded(noise(), "WAV"))
    chunks = bytes(whole) + writer.chunk(b"LIST", b"INFO") + writer.chunk(b"junk", b"odd")
    assert track_of(made(tmp_path, chunks)).remarks == ()
    at = whole.find(b"data") + 4
    whole[at : at + 4] = (1000).to_bytes(4, "little")
    (remark,) = track_of(made(tmp_path, bytes(whole))).remarks
    assert (remark.code, remark.count) == ("header_short", 15_500)
    assert "1000 bytes of sound, 31000 more" in remark.note


def test_a_flac_that_counts_less_sound_than_follows_is_told(tmp_path):
    whole = bytearray(encoded(noise(), "FLAC"))
    assert track_of(made(tmp_path, bytes(whole))).remarks == ()
    whole[21:26] = bytes([whole[21] & 0xF0, 0, 0, 0x10, 0])
    (remark,) = track_of(made(tmp_path, bytes(whole))).remarks
    assert remark.code == "header_short"
    assert remark.note.startswith("the header states 4096 frames, a block of frame 12288 on follows")


def test_a_second_flac_behind_the_first_is_refused(tmp_path):
    whole = encoded(noise(), "FLAC")
    with pytest.raises(RecordingError) as caught:
        track_of(made(tmp_path, whole + whole))
    assert (caught.value.code, caught.value.byte) == ("several_recordings", len(whole))


def test_a_flac_that_is_cut_in_its_first_block_is_not_called_empty(tmp_path):
    whole = encoded(noise(4_000), "FLAC")
    with pytest.raises(TruncatedError, match="4000 frames are promised"):
        track_of(made(tmp_path, whole[: len(whole) // 2]))


# Without raw sound


def test_a_sound_file_without_its_sound_is_a_recording_of_features(tmp_path):
    path = writer.write(tmp_path, channels=1)
    sound, features = load(path), load(path, keep_audio=False)
    assert set(features.streams) == {"mel", "level"}
    for name, make in (("mel", mel), ("level", level)):
        assert features[name].values.tobytes() == make(sound).values.tobytes()
    assert "words can still be guessed" in features.findings.set_index("code").loc["audio_left_out", "note"]


def test_features_of_stereo_are_of_the_mean_of_its_channels_and_that_is_said(tmp_path):
    path = writer.write(tmp_path, channels=2)
    features = load(path, keep_audio=False)
    assert features["mel"].values.tobytes() == mel(load(path), channels=("left", "right")).values.tobytes()
    assert "the mean of left, right" in features.findings.set_index("code").loc["audio_left_out", "note"]


def test_sound_too_slow_for_a_feature_is_dropped_all_the_same_and_that_is_said(tmp_path):
    soundfile.write(tmp_path / "slow.wav", noise(16_000), 8_000)
    features = load(tmp_path / "slow.wav", keep_audio=False)
    assert set(features.streams) == {"level"}
    assert "no mel was made" in features.findings.set_index("code").loc["feature_not_made", "note"]
    soundfile.write(tmp_path / "slower.wav", noise(16_000), 4_000)
    with pytest.raises(EmptyRecordingError, match="of which no feature can be made") as told:
        load(tmp_path / "slower.wav", keep_audio=False)
    assert told.value.file == "slower.wav"


def test_sound_that_is_not_kept_is_written_nowhere(tmp_path, monkeypatch):
    """Neither where the recording goes, nor meanwhile beside it."""
    soundfile.write(tmp_path / "a.wav", np.column_stack([noise(), noise()[::-1]]), 16_000)
    paths, as_before = [], Spool._path
    monkeypatch.setattr(Spool, "_path", lambda spool: paths.append(as_before(spool)) or paths[-1])
    load(tmp_path / "a.wav", into=tmp_path / "sound")
    assert paths  # what this test looks for is found where sound is kept
    paths.clear()
    features = load(tmp_path / "a.wav", keep_audio=False, into=tmp_path / "features")
    assert not paths
    assert set(features.streams) == {"mel", "level"}
    files = list((tmp_path / "features").iterdir())
    assert not [one for one in files if "audio" in one.name]
    assert sum(one.stat().st_size for one in files) < 4 * len(noise())
    assert {one.name for one in tmp_path.iterdir()} == {"a.wav", "sound", "features"}


def test_features_of_long_sound_are_made_block_by_block(tmp_path):
    minutes = np.zeros(10 * 60 * 16_000, np.float32)
    save(Recording.of([Stream.uniform("audio", minutes, rate_hz=16_000)]), tmp_path / "native")
    load(writer.write(tmp_path), keep_audio=False)  # what is imported late is not counted
    tracemalloc.start()
    try:
        features = load(tmp_path / "native", keep_audio=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = sum(stream.values.nbytes for stream in features.streams.values())
    assert len(features["mel"]) == 59_998
    assert peak - kept < 20_000_000 < minutes.nbytes
