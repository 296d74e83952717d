"""ActiGraph files: the layout is the vendor's description; the files here were written by tests, by no device."""

import io
import random
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import actigraph as writer
from tests.gathered import remarks, tracks
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import actigraph, actigraph_log, actigraph_records
from wristkit.load.gather import Request
from wristkit.load.spool import Spool

START_NS = writer.START_S * 10**9
count = st.integers(-2048, 2047)
word = st.integers(-32768, 32767)


def read(path, *repair):
    return actigraph.read(path, Request(Spool(), frozenset(repair)))


def slow_unpack(payload):
    """Return samples (x, y, z) nibble by nibble, as the description shows by example."""
    nibbles = [half for byte in payload for half in (byte >> 4, byte & 15)]
    values = [16 * (16 * a + b) + c for a, b, c in zip(nibbles[0::3], nibbles[1::3], nibbles[2::3], strict=False)]
    signed = [value - 4096 if value > 2047 else value for value in values]
    return [(x, y, z) for y, x, z in zip(signed[0::3], signed[1::3], signed[2::3], strict=False)]


def slow_records(content):
    """Return (kind, second, payload) of a log without damage, record by record."""
    at, found = 0, []
    while at < len(content):
        if content[at] == 0:
            at += 1
            continue
        size = content[at + 6] + 256 * content[at + 7]
        stop = at + 8 + size
        checksum = 0
        for byte in content[at:stop]:
            checksum ^= byte
        assert content[at] == 0x1E
        assert content[stop] == checksum ^ 0xFF
        found.append((content[at + 1], int.from_bytes(content[at + 2 : at + 6], "little"), content[at + 8 : stop]))
        at = stop + 1
    return found


def slow_samples(content):
    """Return rows (nanoseconds, x, y, z) in counts."""
    rows = []
    for kind, second, payload in slow_records(content):
        if kind == writer.ACTIVITY:
            samples = slow_unpack(payload)
        elif kind == writer.ACTIVITY2:
            numbers = [int.from_bytes(payload[k : k + 2], "little", signed=True) for k in range(0, len(payload), 2)]
            samples = list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True))
        else:
            continue
        rows += [(second * 10**9 + k * 10**9 // len(samples), *sample) for k, sample in enumerate(samples)]
    return np.array(rows, dtype=np.int64)


def test_the_examples_of_the_description_come_out():
    packed = bytes.fromhex("006008EBD007009EBF007008EBF0")
    assert actigraph_records.unpacked(np.frombuffer(packed, np.uint8)[None]).tolist() == [
        [[8, 6, -323], [9, 7, -321], [8, 7, -321]]
    ]
    assert writer.packed([(8, 6, -323), (9, 7, -321), (8, 7, -321)]) == packed
    words = np.frombuffer(bytes.fromhex("0000000000003000ccff4201"), np.uint8)[None]
    assert actigraph_records.counts_of(26, words).tolist() == [[[0, 0, 0], [48, -52, 322]]]
    assert actigraph_records.decoded_float(0x09400000) == 256
    assert actigraph_records.decoded_float(0x03419581) == pytest.approx(4.099, abs=1e-3)
    assert actigraph_records.decoded_float(0x007FFFFF) == np.inf
    header = bytes.fromhex("1E0671E8B4547C00")
    assert writer.record(6, 1421142129, bytes(124))[:8] == header


@given(st.lists(st.tuples(count, count, count), min_size=1, max_size=7))
def test_packed_samples_come_back(samples):
    payload = writer.packed(samples)
    expected = actigraph_records.unpacked(np.frombuffer(payload, np.uint8)[None])[0]
    assert [tuple(row) for row in expected.tolist()] == samples == slow_unpack(payload)[: len(samples)]


@given(st.lists(st.tuples(word, word, word), min_size=1, max_size=5))
def test_words_come_back(samples):
    payload = np.frombuffer(writer.words(samples), np.uint8)[None]
    assert [tuple(row) for row in actigraph_records.counts_of(26, payload)[0].tolist()] == samples


@given(st.floats(1e-3, 1e6))
def test_parameters_come_back(number):
    assert actigraph_records.decoded_float(writer.float_code(number)) == pytest.approx(number, rel=1e-6)


@pytest.mark.parametrize("kind", [writer.ACTIVITY, writer.ACTIVITY2])
@pytest.mark.parametrize("rate_hz", [30, 100])
def test_records_equal_a_slow_decoder(tmp_path, kind, rate_hz):
    gathered = read(writer.write(tmp_path, kind=kind, rate_hz=rate_hz, info={"Sample Rate": str(rate_hz)}))
    slow = slow_samples(writer.log(kind=kind, rate_hz=rate_hz))
    accel = tracks(gathered)["accel"]
    np.testing.assert_array_equal(accel.time_ns, slow[:, 0])
    np.testing.assert_array_equal(accel.values, (slow[:, 1:] / 256).astype(np.float32))
    assert accel.stated_rate_hz == rate_hz
    assert set(remarks(gathered)) == {"frame_device"}
    light, battery = tracks(gathered)["light"], tracks(gathered)["battery"]
    assert light.values[:, 0].tolist() == [100, 110]
    np.testing.assert_allclose(battery.values[:, 0], [4.12, 4.11])
    assert battery.time_ns.tolist() == [START_NS, START_NS + 10 * 10**9]


def test_mixed_sizes_and_kinds_keep_the_order_of_the_file(tmp_path):
    samples = writer.samples_of_second(3)
    content = b"".join(
        [
            writer.record(0, writer.START_S, writer.packed(samples)),
            writer.record(26, writer.START_S + 1, writer.words(samples[:29])),
            bytes(7),
            writer.record(0, writer.START_S + 2, writer.packed(samples[:11])),
            writer.record(0, writer.START_S + 3, writer.packed(samples)),
        ]
    )
    gathered = read(writer.write(tmp_path, content=content))
    slow = slow_samples(content)
    np.testing.assert_array_equal(tracks(gathered)["accel"].time_ns, slow[:, 0])
    np.testing.assert_array_equal(tracks(gathered)["accel"].values, (slow[:, 1:] / 256).astype(np.float32))
    assert remarks(gathered)["odd_seconds"].count == 2
    assert "damaged_blocks" not in remarks(gathered)


def test_blocks_of_reading_leave_no_seam(tmp_path, monkeypatch):
    path = writer.write(tmp_path, seconds=200)
    whole = tracks(read(path))["accel"]
    monkeypatch.setattr(actigraph_log, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(actigraph_records, "_MOST_RECORD_BYTES", 700)
    gathered = read(path)
    np.testing.assert_array_equal(tracks(gathered)["accel"].values, whole.values)
    assert "damaged_blocks" not in remarks(gathered)


def test_arrays_on_disk_are_the_same(tmp_path):
    path = writer.write(tmp_path)
    on_disk = actigraph.read(path, Request(Spool(tmp_path)))
    for one, two in zip(read(path).tracks, on_disk.tracks, strict=True):
        np.testing.assert_array_equal(one.values, two.values)
        np.testing.assert_array_equal(one.time_ns, two.time_ns)


@pytest.mark.parametrize(
    ("info", "parameters", "counts_per_g"),
    [
        ({}, 256.0, 256),
        ({"Acceleration Scale": "341.0"}, 256.0, 256),
        ({"Acceleration Scale": "341.0"}, None, 341),
        ({"Acceleration Scale": None, "Serial Number": "NEO1C16110020"}, None, 341),
        ({"Acceleration Scale": None, "Serial Number": "CLE2A14151617"}, None, 341),
        ({"Acceleration Scale": None, "Serial Number": "MOS2D15151617"}, None, 256),
        ({"Acceleration Scale": None, "Serial Number": "TAS1D15151617"}, None, 256),
    ],
)
def test_the_scale_is_the_logs_then_of_info_then_of_the_family(tmp_path, info, parameters, counts_per_g):
    gathered = read(writer.write(tmp_path, info=info, scale=parameters))
    expected = (slow_samples(writer.log())[:, 1:] / counts_per_g).astype(np.float32)
    np.testing.assert_array_equal(tracks(gathered)["accel"].values, expected)
    assert ("scale_differs" in remarks(gathered)) == (parameters == 256 and "Acceleration Scale" in info)


def test_a_scale_that_nothing_states_is_an_error(tmp_path):
    with pytest.raises(RecordingError) as caught:
        read(writer.write(tmp_path, scale=None, info={"Acceleration Scale": None, "Serial Number": "XYZ1"}))
    assert caught.value.code == "unit_unknown"
    assert "XYZ1" not in str(caught.value)


@pytest.mark.parametrize(
    ("offset", "first_s", "clock"),
    [
        (None, writer.START_S, "local"),
        ("rubbish", writer.START_S, "local"),
        ("01:00:00", writer.START_S - 3600, "utc"),
        ("-04:30:00", writer.START_S + 16200, "utc"),
    ],
)
def test_a_stated_offset_makes_utc_and_says_so(tmp_path, offset, first_s, clock):
    gathered = read(writer.write(tmp_path, info={"TimeZone": offset}))
    assert [int(one.time_ns[0]) for one in gathered.tracks] == [first_s * 10**9] * 3
    assert gathered.clock == clock
    assert ("zone_offset" in remarks(gathered)) == (clock == "utc")


def test_a_log_that_was_kept_in_utc_is_not_shifted(tmp_path):
    note = writer.record(writer.METADATA, writer.START_S, b'{"MetadataType":"LocalTimeLog","UsedUtc":true}')
    gathered = read(writer.write(tmp_path, extra=note, info={"TimeZone": "-05:00:00"}))
    assert (int(tracks(gathered)["accel"].time_ns[0]), gathered.clock) == (START_NS, "utc")
    assert "zone_offset" not in remarks(gathered)


def test_idle_sleep_stays_a_gap_and_is_counted(tmp_path):
    gathered = read(writer.write(tmp_path, asleep=(5, 6, 7, 12)))
    finding = remarks(gathered)["idle_sleep"]
    assert finding.count == 4
    assert "idle sleep was on" in finding.note
    steps = np.diff(tracks(gathered)["accel"].time_ns)
    assert steps.max() == 3 * 10**9 + 10**9 // 30 + 1
    assert len(steps) == 16 * 30 - 1


def test_missing_seconds_are_no_sleep_where_it_was_off(tmp_path):
    off = writer.record(writer.PARAMETERS, writer.START_S, writer.parameter(1, 2, 0x10))
    gathered = read(writer.write(tmp_path, asleep=(5,), extra=off))
    assert remarks(gathered)["missing_seconds"].count == 1
    assert "idle_sleep" not in remarks(gathered)


def test_values_repeated_in_declared_sleep_are_flagged(tmp_path):
    still = writer.packed([(1, 2, 250)] * 30)
    sleep = [(3, writer.START_S + 30, b"\x08"), (0, writer.START_S + 30, still), (0, writer.START_S + 31, still)]
    awake = [(3, writer.START_S + 32, b"\x09"), (0, writer.START_S + 32, still)]
    content = writer.log(seconds=30) + b"".join(writer.record(*one) for one in sleep + awake)
    gathered = read(writer.write(tmp_path, content=content))
    assert remarks(gathered)["idle_sleep_repeats"].count == 60
    assert len(tracks(gathered)["accel"].values) == 33 * 30


def test_rarer_records_are_told_and_none_is_dropped_silently(tmp_path):
    second = writer.START_S
    extra = b"".join(
        [
            writer.record(writer.CAPSENSE, second, bytes([1, 0, 2, 0, 1, 0])),
            writer.record(writer.CAPSENSE, second, bytes([1, 0, 2, 0, 0, 0])),
            writer.record(4, second, bytes([70])),
            writer.record(25, second, bytes(100)),
            writer.record(writer.ACTIVITY, second, b"\x01"),
        ]
    )
    found = remarks(read(writer.write(tmp_path, extra=extra)))
    assert found["capsense"].count == 1
    assert "2 times" in found["capsense"].note
    assert found["records_left_out"].count == 2
    assert found["docked"].count == 1


DAMAGES = {
    "payload": lambda part: part[:20] + bytes([part[20] ^ 4]) + part[21:],
    "separator": lambda part: b"\x1f" + part[1:],
    "size": lambda part: part[:6] + b"\xff\xff" + part[8:],
    "checksum": lambda part: part[:-1] + bytes([part[-1] ^ 1]),
    "lost bytes": lambda part: part[:30] + part[70:],
    "added bytes": lambda part: part[:30] + b"\x1e\x00\x1e" + part[30:],
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_record_is_skipped_and_counted_and_the_others_are_equal(tmp_path, what):
    content = writer.log(seconds=40)
    part = writer.record(0, writer.START_S + 17, writer.packed(writer.samples_of_second(17)))
    first = content.index(part)
    damaged = content.replace(part, DAMAGES[what](part))
    gathered = read(writer.write(tmp_path, content=damaged))
    slow = slow_samples(content)
    slow = slow[slow[:, 0] // 10**9 != writer.START_S + 17]
    np.testing.assert_array_equal(tracks(gathered)["accel"].time_ns, slow[:, 0])
    np.testing.assert_array_equal(tracks(gathered)["accel"].values, (slow[:, 1:] / 256).astype(np.float32))
    finding = remarks(gathered)["damaged_blocks"]
    assert finding.count == 1
    assert f"byte {first}" in finding.note
    assert "idle_sleep" not in remarks(gathered)


def test_whole_records_between_damaged_ones_are_found_again(tmp_path):
    content = writer.log(seconds=60)
    for second in (20, 22):
        part = writer.record(0, writer.START_S + second, writer.packed(writer.samples_of_second(second)))
        content = content.replace(part, DAMAGES["payload"](part))
    gathered = read(writer.write(tmp_path, content=content))
    assert len(tracks(gathered)["accel"].values) == 58 * 30
    assert remarks(gathered)["damaged_blocks"].count == 2


def test_much_damage_is_an_error_until_skipping_is_asked_for(tmp_path):
    content = bytearray(writer.log(seconds=40))
    content[900:1800] = bytes([0x55] * 900)
    path = writer.write(tmp_path, content=bytes(content))
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert caught.value.code == "damaged_blocks"
    assert len(tracks(read(path, "skip_damaged"))["accel"].values) % 30 == 0


def test_a_log_that_ends_within_a_record_is_an_error_until_it_is_dropped(tmp_path):
    content = writer.log(seconds=30)
    path = writer.write(tmp_path, content=content[:-50])
    with pytest.raises(TruncatedError) as caught:
        read(path)
    assert caught.value.code == "cut_tail"
    gathered = read(path, "drop_tail")
    assert len(tracks(gathered)["accel"].values) == 29 * 30
    assert remarks(gathered)["drop_tail"].count == (135 - 49) * 8 // 36
    assert remarks(gathered)["drop_tail"].stream == "accel"


def test_repeated_seconds_are_an_error_until_they_are_dropped(tmp_path):
    content = writer.log(seconds=30)
    last = writer.record(0, writer.START_S + 29, writer.packed(writer.samples_of_second(29)))
    path = writer.write(tmp_path, content=content + last)
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert caught.value.code == "time_backwards"


def test_older_firmware_has_samples_without_times(tmp_path):
    info = {"Serial Number": "NEO1C16110020", "Firmware": "2.5.0", "Acceleration Scale": None}
    samples = [sample for second in range(5) for sample in writer.samples_of_second(second)]
    light = bytes.fromhex("00001300FFFF98084C04")
    gathered = read(writer.write(tmp_path, content=writer.packed(samples), light=light, info=info))
    accel, lux = tracks(gathered)["accel"], tracks(gathered)["light"]
    assert (accel.time_ns, accel.start_ns, accel.rate_hz) == (None, START_NS, 30)
    np.testing.assert_array_equal(accel.values, (np.array(samples) / 341).astype(np.float32))
    assert lux.values[:, 0].tolist() == [0, 0, 0, 2500, 1375]
    assert remarks(gathered)["light_rules"].count == 3
    assert gathered.source["device"] == "GT3X+"


@pytest.mark.parametrize("samples", [1, 2, 3, 7])
def test_older_samples_end_where_they_end(tmp_path, samples):
    info = {"Serial Number": "NEO1C16110020"}
    given = writer.samples_of_second(1)[:samples]
    gathered = read(writer.write(tmp_path, content=writer.packed(given), light=b"", info=info))
    assert len(tracks(gathered)["accel"].values) == samples
    cut = writer.write(tmp_path, content=writer.packed(given) + b"\x01\x02", light=b"", info=info, name="cut.gt3x")
    with pytest.raises(TruncatedError):
        read(cut)
    kept = read(cut, "drop_tail")
    assert remarks(kept)["drop_tail"].count == 0
    assert len(tracks(kept)["accel"].values) - samples in {0, 1}  # the half byte that fills up an odd one may go on
    np.testing.assert_array_equal(tracks(kept)["accel"].values[:samples], tracks(gathered)["accel"].values)


@pytest.mark.parametrize("key", ["Sample Rate", "Start Date"])
def test_older_firmware_needs_rate_and_start(tmp_path, key):
    with pytest.raises(RecordingError) as caught:
        read(writer.write(tmp_path, content=bytes(9), light=b"", info={key: "zero"}))
    assert caught.value.code == "rate_unknown"


def test_nothing_of_the_wearer_leaves(tmp_path):
    gathered = read(writer.write(tmp_path))
    told = f"{gathered.source} {gathered.remarks} {gathered.subject}"
    for secret in ("Jane", "P09", "99999999", "621355968"):
        assert secret not in told
    assert gathered.wrist == "right"
    assert (gathered.source["device"], gathered.source["firmware"]) == ("wGT3X-BT", "1.9.2")


def test_recognised_by_content_in_zip_and_folder(tmp_path):
    path = writer.write(tmp_path)
    assert actigraph.recognises(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert actigraph.recognises(tmp_path / "unpacked")
    np.testing.assert_array_equal(
        tracks(read(tmp_path / "unpacked"))["accel"].values, tracks(read(path))["accel"].values
    )
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-60])
    assert not actigraph.recognises(cut)
    with pytest.raises(TruncatedError):
        read(cut)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("log.bin", b"x")
    assert not actigraph.recognises(other)
    assert not actigraph.recognises(tmp_path)
    (tmp_path / "plain").write_bytes(b"PK")
    assert not actigraph.recognises(tmp_path / "plain")
    with pytest.raises(NotThisFormatError):
        read(other)


@pytest.mark.parametrize("content", [bytes(500), b"\x1e" * 500, b"junk" * 200])
def test_a_log_without_a_record_is_an_error(tmp_path, content):
    with pytest.raises(RecordingError) as caught:
        read(writer.write(tmp_path, content=content))
    assert caught.value.code == "damaged_blocks"


def test_a_log_without_bytes_is_empty(tmp_path):
    with pytest.raises(EmptyRecordingError) as caught:
        read(writer.write(tmp_path, content=b""))
    assert (caught.value.code, caught.value.file) == ("empty", "log.bin")


def unpacked(path):
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("options", [{}, {"light": b"\x00\x01" * 9, "info": {"Serial Number": "NEO1"}}])
def test_the_hash_of_a_folder_is_of_all_its_files_that_were_read(tmp_path, options):
    content = writer.log() if not options else writer.packed(writer.samples_of_second(0))
    folder = unpacked(writer.write(tmp_path, content=content, **options))
    hashes = [read(folder).source["content_hash"]]
    for file in sorted(folder.glob("*.bin")):
        kept = file.read_bytes()
        file.write_bytes(kept[:-2] + b"\x01\x02" if options else kept + bytes(2))
        hashes.append(read(folder).source["content_hash"])
        file.write_bytes(kept)
    (folder / "notes.txt").write_text("x")
    assert read(folder).source["content_hash"] == hashes[0]
    assert len(set(hashes)) == len(hashes) == (3 if options else 2)


def test_light_of_an_older_device_that_is_not_known_is_told(tmp_path):
    content = writer.packed(writer.samples_of_second(0))
    gathered = read(writer.write(tmp_path, content=content, light=b"\x00\x01" * 9, info={"Serial Number": "CLE1"}))
    assert "lux.bin was not read" in remarks(gathered)["not_read"].note
    assert [one.name for one in gathered.tracks] == ["accel"]


def test_any_damage_ends_in_a_recording_or_a_typed_error(tmp_path):
    contents = {kind: writer.log(seconds=12, kind=kind) for kind in (writer.ACTIVITY, writer.ACTIVITY2)}
    chance, ends = random.Random(3), set()  # noqa: S311  damage, no secret
    for _ in range(500):
        data = bytearray(contents[chance.choice(list(contents))])
        for _ in range(chance.choice([1, 1, 3, 20])):
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.choice([1, 12, 300])]
            elif kind == 2:
                data[at:at] = data[: chance.choice([1, 60, 200])]
            else:
                data[at : at + 50] = bytes(50)
            data = data or bytearray(b"\n")
        light = chance.choice([None, None, None, b"\x00\x01" * 9])
        path = writer.write(tmp_path, content=bytes(data), light=light)
        ends.add(outcome(path, *chance.choice([(), ("skip_damaged", "drop_tail", "drop_exact", "sort_blocks")])))
    assert {"read", "damaged_blocks", "cut_tail"} <= ends


def test_any_damage_to_the_zip_ends_in_a_recording_or_a_typed_error(tmp_path):
    content = writer.write(tmp_path, seconds=12).read_bytes()
    chance, ends, path = random.Random(4), set(), tmp_path / "fuzz.gt3x"  # noqa: S311  damage, no secret
    for _ in range(500):
        data = bytearray(content)
        for _ in range(chance.choice([1, 2, 5])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(bytes(data[: chance.choice([len(data), len(data), chance.randrange(1, len(data))])]))
        actigraph.recognises(path)
        ends.add(outcome(path, "skip_damaged"))
    assert {"read", "truncated_zip", "damaged_zip"} <= ends


def outcome(path, *repair):
    try:
        gathered = read(path, *repair)
    except RecordingError as error:
        return error.code
    assert all(np.isfinite(one.values).all() for one in gathered.tracks)
    return "read"


def test_a_bomb_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("info.txt", "Serial Number: TAS1\n")
        archive.writestr("log.bin", bytes(2**24))
    path = tmp_path / "bomb.gt3x"
    path.write_bytes(packed.getvalue())
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert caught.value.code == "zip_bomb"


@pytest.mark.parametrize("seed", range(40))
def test_the_short_way_along_whole_records_is_the_long_way(tmp_path, monkeypatch, seed):
    """Records that follow each other are taken at once; the slow walk over all candidates is the twin."""
    chance = random.Random(seed)  # noqa: S311  damage, no secret
    log = bytearray(writer.log(seconds=40))
    for _ in range(chance.choice([0, 0, 1, 2, 5])):
        at = chance.randrange(len(log))
        match chance.choice(["flip", "drop", "zeros", "separator"]):
            case "flip":
                log[at] ^= 1 << chance.randrange(8)
            case "drop":
                del log[at : at + chance.randrange(1, 400)]
            case "zeros":
                log[at:at] = bytes(chance.choice([1, 70, 5000]))
            case "separator":
                log[at : at + 1] = b"\x1e"
    monkeypatch.setattr(actigraph_log, "CHUNK_BYTES", chance.choice([700, 5000, 2**21]))
    path = writer.write(tmp_path, content=bytes(log))
    fast = outcome_of(path)
    monkeypatch.setattr(actigraph_records, "_chain", lambda starts, following, *, expected: starts[:0])
    assert outcome_of(path) == fast


def outcome_of(path):
    """Return all that is read of a damaged file as bytes and text, or the error."""
    try:
        found = read(path, "skip_damaged", "drop_tail")
    except RecordingError as error:
        return str(error)
    arrays = [one.values.tobytes() + one.time_ns.tobytes() for one in found.tracks]
    return arrays, [str(remark) for remark in found.remarks]
