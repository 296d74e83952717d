"""Axivity files: decoded as the vendor does, sound blocks kept bit by bit and at their times whatever befell others."""

import random
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats import axivity as writer
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import axivity, axivity_blocks
from wristkit.load.assemble import assemble
from wristkit.load.gather import Request
from wristkit.load.spool import Spool

LAYOUTS = (writer.PACKED, writer.UNPACKED, writer.GYRO)
HEAD, BLOCK = writer.HEADER_BYTES, writer.BLOCK_BYTES
EPOCH = writer.START.replace(year=1970, month=1, day=1, hour=0)
REPAIRS = ("drop_exact", "sort_blocks", "skip_damaged")
PERIOD_NS = 10**7


def chance_of(seed):
    return random.Random(seed)  # noqa: S311  damage, no secret


def read(path, *repair, folder=None):
    return axivity.read(path, Request(Spool(folder), frozenset(repair)))


def tracks(path, *repair, folder=None):
    return {track.name: track for track in read(path, *repair, folder=folder).tracks}


def remarks(path, *repair):
    found = read(path, *repair)
    accel = next(track for track in found.tracks if track.name == "accel")
    return {remark.code: remark for remark in (*found.remarks, *accel.remarks)}


def counted(path, code, *repair):
    """Return what each stream says of its own rows."""
    found = tracks(path, *repair)
    return {name: remark.count for name, track in found.items() for remark in track.remarks if remark.code == code}


def refused(path, code, *repair, error=RecordingError):
    with pytest.raises(error) as caught:
        read(path, *repair)
    assert caught.value.code == code
    assert caught.value.file == path.name
    return caught.value


def changed(tmp_path, change, **options):
    """Return a file of 24 blocks, a list of which ``change`` gets and gives back."""

    def damage(whole):
        cut = [whole[at : at + BLOCK] for at in range(HEAD, len(whole), BLOCK)]
        return whole[:HEAD] + b"".join(change(cut))

    return writer.write(tmp_path, damage=damage, **options)


def of_all(samples, blocks):
    return {"accel": samples, "temperature": blocks, "light_raw": blocks, "battery": blocks}


def slow_blocks(whole):
    """Return of each block (samples, (sample, axes) numbers, start, end in ns) as the vendor's converter has them."""
    rows, before = [], None
    for at in range(HEAD, len(whole), BLOCK):
        block = whole[at : at + BLOCK]
        stamp, light = struct.unpack_from("<IH", block, 14)
        rate, layout, offset, count = struct.unpack_from("<BBhH", block, 24)
        period_s = (1 << (15 - (rate & 15))) / 3200
        years, rest = divmod(stamp, 1 << 26)
        days = writer.datetime(2000 + years, rest >> 22, (rest >> 17) & 31) - EPOCH
        seconds = days.days * 86400 + ((stamp >> 12) & 31) * 3600 + ((stamp >> 6) & 63) * 60 + (stamp & 63)
        start = own = seconds - offset * period_s
        if before is not None and own - before < 1:
            start = before
        before = own + count * period_s
        axes = writer.AXES[layout]
        if layout == writer.PACKED:
            samples = [writer.unpack(word) for word in struct.unpack_from(f"<{count}I", block, 30)]
        else:
            flat = struct.unpack_from(f"<{count * axes}h", block, 30)
            samples = [flat[axes * row : axes * row + axes] for row in range(count)]
        rows.append((np.array(samples), light, start, before))
    return rows


def by_block(path, layout, *repair):
    """Return (blocks, capacity) stamps and (blocks, capacity, axes) values."""
    found = tracks(path, *repair)
    names = ("gyro", "accel") if layout == writer.GYRO else ("accel",)
    capacity = writer.CAPACITY[layout]
    values = np.concatenate([found[name].values for name in names], axis=1)
    return found["accel"].time_ns.reshape(-1, capacity), values.reshape(-1, capacity, values.shape[1])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("on_disk", [False, True])
def test_values_and_times_are_those_of_the_vendors_rule_written_out_block_by_block(tmp_path, layout, on_disk):
    path = writer.write(tmp_path, layout=layout)
    found = tracks(path, folder=tmp_path if on_disk else None)
    blocks = slow_blocks(path.read_bytes())
    counts = np.concatenate([samples for samples, *_ in blocks])
    time_s = [
        start + row * (end - start) / len(samples) for samples, _, start, end in blocks for row in range(len(samples))
    ]
    np.testing.assert_array_equal(found["accel"].values, (counts[:, -3:] / (256 if layout == writer.PACKED else 2048)))
    assert np.abs(found["accel"].time_ns / 1e9 - time_s).max() < 1e-6
    assert found["accel"].stated_rate_hz == 100
    assert found["accel"].values.dtype == np.float32
    if layout == writer.GYRO:
        # Scale 2 beside the light: 2,000 degrees a second at full scale.
        exact = np.radians(counts[:, :3] * 2000 / 32768)
        np.testing.assert_array_equal(found["gyro"].values, exact.astype(np.float32))
        np.testing.assert_array_equal(found["gyro"].time_ns, found["accel"].time_ns)
    else:
        assert "gyro" not in found


def test_scales_are_those_that_the_blocks_state(tmp_path):
    counts = writer.signal(40, layout=writer.GYRO)
    gyro, accel = [], []
    for scales in (0b011_000, 0b110_101):
        block = writer.block(counts, sequence=0, time=writer.START, layout=writer.GYRO, scales=scales)
        found = tracks(changed(tmp_path, lambda _, block=block: [block], layout=writer.GYRO))
        gyro.append(found["gyro"].values)
        accel.append(found["accel"].values)
    np.testing.assert_allclose(gyro[0], 8 * gyro[1], rtol=1e-6)  # 0 is the 2,000 degrees a second of old, 5 is 250
    np.testing.assert_array_equal(accel[0], 8 * accel[1])


def test_samples_that_change_their_scale_are_refused(tmp_path):
    def rescaled(blocks):
        block = blocks[20][:18] + struct.pack("<H", 3 << 13 | 300) + blocks[20][20:510]
        return [*blocks[:20], writer.summed(block), *blocks[21:]]

    assert refused(changed(tmp_path, rescaled), "mixed_layout").byte == HEAD + 20 * BLOCK


def test_temperature_light_and_battery_are_stamped_with_the_start_of_their_block(tmp_path):
    path = writer.write(tmp_path)
    found = tracks(path)
    starts = found["accel"].time_ns[::120]
    for name, unit, value in (
        ("temperature", "degC", (258 - 171) / 3.142),
        ("light_raw", "1", 300),
        ("battery", "V", (190 + 512) * 6 / 1024),
    ):
        np.testing.assert_array_equal(found[name].time_ns, starts)
        assert found[name].unit == unit
        np.testing.assert_allclose(found[name].values, value, rtol=1e-6)


def test_readings_of_0_are_missing_and_a_sensor_that_never_read_is_left_out(tmp_path):
    def unlit(blocks):
        dark = writer.contents(light=0)
        return [*blocks[:12], *dark[12:]]

    light = tracks(changed(tmp_path, unlit))["light_raw"].values
    assert np.isnan(light[12:]).all()
    assert (light[:12] == 300).all()
    assert "light_raw" not in tracks(changed(tmp_path, lambda _: writer.contents(light=0)))


def test_a_file_becomes_a_recording_that_says_what_is_to_be_known_and_nobodys_name(tmp_path):
    path = writer.write(tmp_path)
    recording = assemble(read(path), Request(Spool()))
    assert recording.wrist == "left"
    assert recording.source["device"] == "AX3"
    assert recording.source["firmware"] == "44"
    assert recording.source["local_start"] == "2026-05-01T08:00:00"
    assert set(recording.findings["code"]) == {"frame_device", "rate_differs", "zone_missing"}
    assert recording["accel"].rate_hz == pytest.approx(98.5, rel=1e-3)
    told = repr(read(path)) + recording.findings.to_string()
    assert not [one for one in (str(writer.SERIAL), str(writer.SESSION), "Jane", "Roe") if one in told]


# ---- damage ----


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("where", [0, 40, 300, 511])
@pytest.mark.parametrize("number", [0, 7, 23])
def test_a_flipped_byte_costs_its_block_and_no_other_sample_or_stamp(tmp_path, layout, where, number):
    times, values = by_block(writer.write(tmp_path, layout=layout), layout)

    def flip(blocks):
        hurt = bytearray(blocks[number])
        hurt[where] ^= 0x10
        return [*blocks[:number], bytes(hurt), *blocks[number + 1 :]]

    path = changed(tmp_path, flip, layout=layout)
    found_times, found_values = by_block(path, layout)
    rest = np.delete(np.arange(24), number)
    np.testing.assert_array_equal(found_values, values[rest])
    np.testing.assert_array_equal(found_times, times[rest])
    remark = remarks(path)["damaged_blocks"]
    assert remark.count == 1
    assert f"byte {HEAD + BLOCK * number};" in remark.note
    assert f"{writer.CAPACITY[layout]} samples" in remark.note


def test_a_block_whose_date_was_wiped_still_times_the_next_one(tmp_path):
    times, _ = by_block(writer.write(tmp_path), writer.PACKED)
    path = changed(tmp_path, lambda blocks: [*blocks[:7], blocks[7][:14] + bytes(4) + blocks[7][18:], *blocks[8:]])
    np.testing.assert_array_equal(by_block(path, writer.PACKED)[0], np.delete(times, 7, axis=0))


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_missing_blocks_are_a_gap_and_the_next_block_starts_by_its_own_stamp(tmp_path, lost):
    times, values = by_block(writer.write(tmp_path), writer.PACKED)
    path = changed(tmp_path, lambda blocks: blocks[:9] + blocks[9 + lost :])
    found_times, found_values = by_block(path, writer.PACKED)
    rest = np.delete(np.arange(24), slice(9, 9 + lost))
    np.testing.assert_array_equal(found_values, values[rest])
    late = np.abs(found_times - times[rest]).max(axis=1)
    assert late[9] <= 3 * PERIOD_NS
    assert not np.delete(late, 9).any()
    found = remarks(path)
    assert found["sequence_gap"].count == lost
    assert "damaged_blocks" not in found


def test_a_device_that_paused_leaves_a_gap(tmp_path):
    def paused(blocks):
        held = [bytearray(block) for block in blocks]
        for block in held[10:]:
            seconds = struct.unpack_from("<I", block, 14)[0]
            struct.pack_into("<I", block, 14, seconds + 6)
        return [writer.summed(bytes(block)) for block in held]

    times, _ = by_block(changed(tmp_path, paused), writer.PACKED)
    steps = np.diff(times.ravel())
    assert int(np.argmax(steps)) == 10 * 120 - 1
    assert steps.max() == pytest.approx(6e9, abs=5 * PERIOD_NS)


@pytest.mark.parametrize("end", [1, 29, 30, 511])
def test_a_cut_last_block_is_left_out_only_when_asked(tmp_path, end):
    whole = tracks(writer.write(tmp_path))["accel"].values
    path = writer.write(tmp_path, damage=lambda content: content[: len(content) - BLOCK + end])
    assert refused(path, "cut_tail", error=TruncatedError).byte == path.stat().st_size - end
    np.testing.assert_array_equal(tracks(path, "drop_tail")["accel"].values, whole[:-120])
    assert "cut at the end" in remarks(path, "drop_tail")["drop_tail"].note
    readings = {} if end < 30 else {"temperature": 1, "light_raw": 1, "battery": 1}
    samples = max(0, end - 30) * 120 // 480
    assert counted(path, "drop_tail", "drop_tail") == {"accel": min(samples, 120), **readings}


def test_bytes_between_blocks_that_belong_to_none_are_counted(tmp_path):
    whole = tracks(writer.write(tmp_path))["accel"]
    path = changed(tmp_path, lambda blocks: [*blocks[:5], b"AX\xfc\x01" * 30, *blocks[5:]])
    found = tracks(path)["accel"]
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.time_ns, whole.time_ns)
    assert remarks(path)["stray_bytes"].count == 120


@pytest.mark.parametrize("change", [lambda head: b"XY" + head[2:], lambda head: head[7:], lambda head: head + b"?" * 9])
def test_a_damaged_header_costs_nothing_but_what_it_says(tmp_path, change):
    whole = tracks(writer.write(tmp_path))["accel"]
    path = writer.write(tmp_path, damage=lambda content: change(content[:HEAD]) + content[HEAD:])
    assert axivity.recognises(path)
    found = tracks(path)["accel"]
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.time_ns, whole.time_ns)


def test_without_its_header_the_device_is_not_known(tmp_path):
    path = writer.write(tmp_path, damage=lambda content: b"XY" + content[2:])
    assert "damaged_header" in remarks(path)
    gathered = read(path)
    assert "device" not in gathered.source
    assert gathered.wrist is None


@settings(max_examples=60)
@given(data=st.data())
def test_undamaged_blocks_come_back_bit_by_bit(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    times, values = by_block(writer.write(folder), writer.PACKED)
    place = data.draw(st.integers(1, 24 * BLOCK - 700))
    length = data.draw(st.integers(1, 600))
    kind = data.draw(st.sampled_from(["lost", "added", "overwritten"]))
    junk = chance_of(place).randbytes(length)

    def damage(whole):
        at = HEAD + place
        return whole[:at] + (b"" if kind == "lost" else junk) + whole[at + (0 if kind == "added" else length) :]

    last = place if kind == "added" else place + length - 1
    hurt = set() if kind == "added" and place % BLOCK == 0 else set(range(place // BLOCK, last // BLOCK + 1))
    rest = [number for number in range(24) if number not in hurt]
    path = writer.write(folder, damage=damage)
    found_times, found_values = by_block(path, writer.PACKED, "skip_damaged")
    np.testing.assert_array_equal(found_values, values[rest])
    late = np.abs(found_times - times[rest]).max(axis=1)
    after = [row for row, number in enumerate(rest) if number - 1 in hurt]
    assert not np.delete(late, after).any()
    assert (late <= 3 * PERIOD_NS).all()
    assert sum(remark.count for code, remark in remarks(path, "skip_damaged").items() if code == "damaged_blocks") <= 3


def test_more_than_5_percent_of_damage_is_skipped_only_when_asked(tmp_path):
    def hurt(blocks):
        return [b"\0" * BLOCK if number in {3, 11} else block for number, block in enumerate(blocks)]

    path = changed(tmp_path, hurt)
    error = refused(path, "damaged_blocks")
    assert error.byte == HEAD + 3 * BLOCK
    assert "skip_damaged" in error.remedy
    assert len(tracks(path, "skip_damaged")["accel"].values) == 22 * 120
    assert remarks(path, "skip_damaged")["damaged_blocks"].count == 2


def test_much_that_is_no_block_is_damage(tmp_path):
    path = changed(tmp_path, lambda blocks: [*blocks[:5], chance_of(0).randbytes(5000), *blocks[5:]])
    assert refused(path, "damaged_blocks").byte == HEAD + 5 * BLOCK
    assert len(tracks(path, "skip_damaged")["accel"].values) == 24 * 120


# ---- blocks twice, out of order, of several recordings ----


@pytest.mark.parametrize("to", [5, 6, 20, 24])
def test_a_repeated_block_is_dropped_only_when_asked(tmp_path, to):
    whole = tracks(writer.write(tmp_path))["accel"]
    path = changed(tmp_path, lambda blocks: [*blocks[:to], blocks[4], *blocks[to:]])
    error = refused(path, "repeated_blocks")
    assert error.byte == HEAD + to * BLOCK
    found = tracks(path, "drop_exact")["accel"]
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.time_ns, whole.time_ns)
    assert counted(path, "drop_exact", "drop_exact") == of_all(120, 1)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_out_of_order_are_sorted_only_when_asked(tmp_path, seed):
    whole = tracks(writer.write(tmp_path))
    order = list(range(24))
    chance_of(seed).shuffle(order)
    path = changed(tmp_path, lambda blocks: [blocks[number] for number in order])
    assert refused(path, "time_backwards").byte is not None
    found = tracks(path, "sort_blocks")
    for name, track in whole.items():
        np.testing.assert_array_equal(found[name].values, track.values)
        np.testing.assert_array_equal(found[name].time_ns, track.time_ns)
    moved = sum(number != place for place, number in enumerate(order))
    assert counted(path, "sort_blocks", "sort_blocks") == of_all(moved * 120, moved)


def test_a_clock_that_was_set_back_is_an_error_with_a_remedy(tmp_path):
    def set_back(blocks):
        early = writer.contents(first=0)
        return [*blocks[:20], *[_renumbered(block, 20 + number) for number, block in enumerate(early[:4])]]

    error = refused(changed(tmp_path, set_back), "time_backwards")
    assert error.remedy


def _renumbered(block, sequence):
    return writer.summed(block[:10] + struct.pack("<I", sequence) + block[14:])


def test_two_recordings_in_one_file_are_refused(tmp_path):
    path = writer.write(tmp_path, damage=lambda whole: whole + whole)
    assert refused(path, "several_recordings").byte == HEAD + 24 * BLOCK
    other = writer.contents(first=24, session=5)
    path = changed(tmp_path, lambda blocks: [*blocks, *other])
    assert refused(path, "several_recordings").byte == HEAD + 24 * BLOCK


def test_samples_that_change_their_layout_are_refused(tmp_path):
    path = changed(tmp_path, lambda blocks: [*blocks, *writer.contents(layout=writer.GYRO, first=24)])
    assert refused(path, "mixed_layout").byte == HEAD + 24 * BLOCK


# ---- nothing to read ----


def test_a_header_alone_is_an_empty_recording(tmp_path):
    for length in (4, 700, HEAD):
        path = writer.write(tmp_path, damage=lambda whole, length=length: whole[:length])
        refused(path, "empty", error=EmptyRecordingError)


def test_a_file_that_ends_in_its_first_block_is_truncated(tmp_path):
    refused(writer.write(tmp_path, damage=lambda whole: whole[: HEAD + 100]), "truncated", error=TruncatedError)


def test_no_sound_block_is_damage_that_nothing_repairs(tmp_path):
    path = writer.write(tmp_path, damage=lambda whole: whole[:HEAD] + bytes(24 * BLOCK))
    refused(path, "damaged_blocks", *REPAIRS)


def test_blocks_that_pass_their_checksum_and_state_no_rate_are_not_called_damaged_by_it(tmp_path):
    path = changed(tmp_path, lambda _: writer.contents(rate=0))
    assert str(refused(path, "damaged_blocks", *REPAIRS)).count("24 of its 24 blocks pass their checksum") == 1
    zeros = writer.write(tmp_path, damage=lambda whole: whole[:HEAD] + bytes(24 * BLOCK))
    assert "none of its 24 blocks passes its checksum" in str(refused(zeros, "damaged_blocks"))


def test_repeated_magics_cost_little_more_memory_than_the_chunk_that_is_looked_at(tmp_path):
    path = tmp_path / "magics.cwa"
    path.write_bytes(writer.header() + b"AX\xfc\x01" * 2_000_000)
    tracemalloc.start()
    refused(path, "damaged_blocks")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000


def test_blocks_are_found_across_the_chunks_in_which_a_file_is_looked_through(tmp_path, monkeypatch):
    path = changed(tmp_path, lambda blocks: [*blocks[:3], b"?", *blocks[3:9], *blocks[12:], b"AX\xfc"])
    whole = tracks(path, "skip_damaged", "drop_tail")
    for size in (31, 100, 512, 700):
        monkeypatch.setattr(axivity_blocks, "_CHUNK_BYTES", size)
        monkeypatch.setattr(axivity_blocks, "CHUNK_BLOCKS", 3)
        for name, track in tracks(path, "skip_damaged", "drop_tail").items():
            np.testing.assert_array_equal(track.values, whole[name].values)
            np.testing.assert_array_equal(track.time_ns, whole[name].time_ns)
    assert len(whole["accel"].values) == 21 * 120


def test_a_file_that_becomes_shorter_while_it_is_read_is_told(tmp_path):
    path = writer.write(tmp_path)
    with path.open("rb") as file, pytest.raises(TruncatedError) as caught:
        axivity_blocks.Content(file, path.name, path.stat().st_size + 1).span(0, path.stat().st_size + 1)
    assert (caught.value.code, caught.value.byte) == ("still_written", path.stat().st_size)


def test_other_files_are_not_recognised(tmp_path):
    other = tmp_path / "other.cwa"
    for content in (b"", b"M", b"MD\xfc", b"RIFF", chance_of(1).randbytes(9000), b"AX\xfc\x01" * 4000, bytes(5000)):
        other.write_bytes(content)
        assert not axivity.recognises(other)
        refused(other, "format", error=NotThisFormatError)
    assert not axivity.recognises(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 121},
        {"count": 65535},
        {"stamp": 0},
        {"stamp": 0xFFFFFFFF},
        {"stamp": (26 << 26) | (2 << 22) | (30 << 17)},
        {"rate": 0},
        {"layout": 0x31},
    ],
)
def test_a_block_that_cannot_be_is_damaged_though_its_checksum_is_right(tmp_path, fields):
    strange = writer.block(
        np.zeros((100, 3), int), sequence=7, time=writer.START, **({"layout": writer.PACKED} | fields)
    )
    path = changed(tmp_path, lambda blocks: [*blocks[:7], strange, *blocks[8:]])
    assert remarks(path)["damaged_blocks"].count == 1


def test_a_file_larger_than_the_device_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(axivity_blocks, "MOST_BYTES", 10_000)
    refused(writer.write(tmp_path), "too_large")


def test_a_short_last_block_brings_the_samples_that_it_has(tmp_path):
    path = changed(tmp_path, lambda blocks: [*blocks[:-1], writer.contents(count=33)[-1]])
    assert len(tracks(path)["accel"].values) == 23 * 120 + 33


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mutations_end_in_a_recording_or_one_typed_error(tmp_path, layout):
    chance = chance_of(layout)
    whole = bytearray(writer.write(tmp_path, layout=layout, blocks=6).read_bytes())
    path = tmp_path / "mutated.cwa"
    ends = set()
    for _ in range(150):
        hurt = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            hurt[chance.randrange(len(hurt))] = chance.randrange(256)
        if chance.random() < 0.3:
            cut = chance.randrange(len(hurt))
            del hurt[cut : cut + chance.randrange(900)]
        path.write_bytes(hurt)
        try:
            ends.add(len(tracks(path, *chance.choice([(), REPAIRS]))["accel"].values))
        except RecordingError as error:
            ends.add(error.code if error.remedy else "without a remedy")
    assert "damaged_blocks" in ends
    assert "without a remedy" not in ends
    assert any(isinstance(end, int) for end in ends)


# ---- WAV ----


def test_a_wav_of_the_converter_is_motion(tmp_path):
    path = writer.write_wav(tmp_path)
    assert axivity.recognises(path)
    gathered = read(path)
    accel, battery, light, temperature = gathered.tracks
    counts = np.random.default_rng(0).normal([0, 0, 4096], 500, (500, 3)).astype("<i2")
    np.testing.assert_array_equal(accel.values, (counts * (8 / 32768)).astype(np.float32))
    assert accel.rate_hz == 100
    assert accel.time_ns is None
    assert np.datetime64(accel.start_ns, "ns") == np.datetime64("2026-05-01T08:00:00.250")
    assert (battery.name, light.name, temperature.name) == ("battery_raw", "light_raw", "temperature")
    assert temperature.time_ns[0] - accel.start_ns == 2 * PERIOD_NS
    assert (gathered.clock, gathered.wrist) == ("local", "right")
    assert [remark.code for remark in accel.remarks] == ["resampled"]
    assert str(writer.SERIAL) not in repr(gathered)


def test_a_cut_wav_says_what_is_missing(tmp_path):
    remark = read(writer.write_wav(tmp_path, promised=700)).tracks[0].remarks[1]
    assert (remark.code, remark.count) == ("truncated", 200)


def test_a_wav_that_does_not_say_when_has_no_clock(tmp_path):
    gathered = read(writer.write_wav(tmp_path, time="yesterday"))
    assert gathered.clock == "none"
    assert "start_unknown" in {remark.code for remark in gathered.remarks}


def test_samples_that_the_converter_had_no_data_for_are_missing(tmp_path):
    path = writer.write_wav(tmp_path)
    content = bytearray(path.read_bytes())
    content[HEAD + 8 * 10 + 7] |= 0x80
    path.write_bytes(content)
    values = read(path).tracks[0].values
    assert np.flatnonzero(np.isnan(values).any(axis=1)).tolist() == [10]


def test_another_wav_is_not_of_an_axivity(tmp_path):
    assert not axivity.recognises(writer.write_wav(tmp_path, device="Zoom H1"))
    assert not axivity.recognises(writer.write_wav(tmp_path, channels="Channel-1: Left\n"))


@pytest.mark.parametrize("text", ["Channel-1: Accel-X\nScale-1: 8\n", "Channel-1: Accel-X\nScale-1: 0\n"])
def test_a_wav_without_all_axes_and_scales_is_refused(tmp_path, text):
    refused(writer.write_wav(tmp_path, channels=text), "wav")


def test_a_wav_without_samples_is_empty(tmp_path):
    refused(writer.write_wav(tmp_path, samples=3, promised=0), "empty", error=EmptyRecordingError)


def test_mutated_wavs_end_in_a_recording_or_one_typed_error(tmp_path):
    chance = chance_of(0)
    whole = writer.write_wav(tmp_path, samples=50).read_bytes()
    path = tmp_path / "mutated.wav"
    ends = set()
    for _ in range(200):
        hurt = bytearray(whole)
        for _ in range(chance.choice([1, 5])):
            hurt[chance.randrange(600)] = chance.randrange(256)
        path.write_bytes(hurt[: chance.choice([len(hurt), chance.randrange(len(hurt))])])
        try:
            ends.add(len(read(path).tracks[0].values))
        except RecordingError as error:
            ends.add(error.code if error.remedy else "without a remedy")
    assert ends > {50, "wav"}
    assert "without a remedy" not in ends


# ---- recordings of devices ----


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "accel_g"), [("ax3", 1e-6), ("ax6", 5.0001e-7)])
def test_real_files_equal_the_vendors_decoded_values(real_data, name, accel_g):
    folder = real_data / "devices" / "skdh"
    found = tracks(folder / f"{name}_sample.cwa")
    truth = np.load(folder / f"{name}_data.npz", allow_pickle=False)
    assert np.abs(found["accel"].values - truth["accel"]).max() <= accel_g
    time_ns = found["accel"].time_ns
    # The truth's own seconds since 1970 are float64, whose steps there are 2.4e-7 s.
    assert np.abs((time_ns - time_ns[0]) / 1e9 - (truth["time"] - truth["time"][0])).max() <= 5e-5 + 2.4e-7
    assert found["accel"].stated_rate_hz == truth["fs"][0]
    if name == "ax6":
        scale = np.radians(2000 / 32768)
        counts = np.rint(found["gyro"].values / scale)
        np.testing.assert_array_equal(found["gyro"].values, (counts * scale).astype(np.float32))
        assert np.abs(np.degrees(counts * scale) - truth["gyro"]).max() <= 1e-4


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "samples", "rate_hz", "wrist"),
    [
        ("ggirread/ax3_testfile.cwa", 17_400, 98.9, "right"),
        ("ggirread/ax6_testfile.cwa", 11_320, 99.0, None),
        ("openmovement/example-610-steps.cwa", 71_400, 98.5, None),
    ],
)
def test_real_files_have_the_samples_and_rates_known_of_them(real_data, file, samples, rate_hz, wrist):
    recording = assemble(read(real_data / "devices" / file), Request(Spool()))
    assert len(recording["accel"]) == samples
    assert recording["accel"].rate_hz == pytest.approx(rate_hz, abs=0.06)
    assert recording.wrist == wrist
    assert not {"damaged_blocks", "sequence_gap", "truncated"} & set(recording.findings["code"])


@pytest.mark.real_data
def test_every_good_block_of_a_real_damaged_file_equals_the_whole_file(real_data):
    folder = real_data / "devices" / "ggirread"
    times, values = by_block(folder / "ax3_testfile.cwa", writer.PACKED)
    damaged = folder / "ax3_testfile_corrupt_blocks_0_13_14_142_143_144.cwa"
    found_times, found_values = by_block(damaged, writer.PACKED)
    rest = np.delete(np.arange(145), [0, 13, 14, 142, 143, 144])
    np.testing.assert_array_equal(found_values, values[rest])
    np.testing.assert_array_equal(found_times, times[rest])
    assert remarks(damaged)["damaged_blocks"].count == 6


@pytest.mark.real_data
def test_the_real_wav_is_motion_and_its_cut_is_said(real_data):
    recording = assemble(read(real_data / "devices" / "ggirread" / "ax3test.wav"), Request(Spool()))
    assert len(recording["accel"]) == 32_640
    assert recording["accel"].rate_hz == 100
    assert recording.wrist == "left"
    assert recording.source["local_start"].startswith("2018-03-18T17:24:47.536")
    assert np.linalg.norm(recording["accel"].values, axis=1).mean() == pytest.approx(1.01, abs=0.01)
    assert "truncated" in set(recording.findings["code"])
