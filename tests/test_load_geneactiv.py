"""GENEActiv files: decoded as the device means them, whole pages kept bit by bit whatever befell the others."""

import random

import numpy as np
import pytest

from tests.formats import geneactiv as writer
from tests.gathered import remarks, tracks
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import geneactiv
from wristkit.load.gather import Request, Rows
from wristkit.load.spool import Spool
from wristkit.recording import blocks

GAINS, OFFSETS = (25522, 25457, 24829), (272, -1129, 101)
MARK = b"Recorded Data"


def read(path, *repair):
    return geneactiv.read(path, Request(Spool(), frozenset(repair)))


def slow_page(text):
    """Return rows (x g, y g, z g, light, button) of the hex text of a page, digit by digit."""
    rows = []
    for at in range(0, len(text), 12):
        value = int(text[at : at + 12], 16)
        counts = [(value >> shift) & 0xFFF for shift in (36, 24, 12)]
        signed = [count - 4096 if count > 2047 else count for count in counts]
        axes = [(count * 100 - offset) / gain for count, offset, gain in zip(signed, OFFSETS, GAINS, strict=True)]
        rows.append((*axes, (value >> 2) & 0x3FF, (value >> 1) & 1))
    return np.array(rows)


def marks(content):
    at, found = content.find(MARK), []
    while at >= 0:
        found.append(at)
        at = content.find(MARK, at + 1)
    return found


def broken(path, change):
    content = path.read_bytes()
    path.write_bytes(change(content))
    return path


def test_pages_equal_a_slow_decoder_at_their_times(tmp_path):
    gathered = read(writer.write(tmp_path, pages=4))
    slow = np.concatenate([slow_page(writer.hexed(writer.counts(number))) for number in range(4)])
    accel, light = tracks(gathered)["accel"], tracks(gathered)["light"]
    np.testing.assert_array_equal(accel.values, slow[:, :3].astype(np.float32))
    np.testing.assert_allclose(light.values[:, 0], slow[:, 3] * 886 / 42, rtol=1e-6)
    assert accel.time_ns.tolist() == [
        (1_777_615_200_000 + 6000 * page + 20 * k) * 10**6 for page in range(4) for k in range(300)
    ]
    assert light.time_ns is accel.time_ns
    np.testing.assert_allclose(tracks(gathered)["temperature"].values[:, 0], [28.2, 28.3, 28.4, 28.5], rtol=1e-6)
    np.testing.assert_allclose(tracks(gathered)["battery"].values[:, 0], np.full(4, 4.1642), rtol=1e-6)
    assert tracks(gathered)["battery"].time_ns.tolist() == accel.time_ns[::300].tolist()


def test_presses_of_the_button_are_labels(tmp_path):
    gathered = read(writer.write(tmp_path, pages=4))
    (press,) = gathered.marks
    page_ns = 1_777_615_206_000 * 10**6
    assert press == (page_ns + 800 * 10**6, page_ns + 980 * 10**6, "button", "button", "device")


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("until", "last"), [(11, [11, 14, 18, 20]), (10, [11, 14, 18])])
def test_presses_are_found_across_blocks(monkeypatch, rows, until, last):
    down = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1], dtype=bool)[:until]
    monkeypatch.setattr(geneactiv, "blocks", lambda *arrays: blocks(*arrays, rows=rows))
    found = geneactiv._held_ns(Rows("", np.arange(10, 10 + until), {"button": down}))
    assert [one.tolist() for one in found] == [[10, 14, 16, 20][: len(last)], last]


def test_a_button_that_bounces_is_a_finding_and_no_labels(tmp_path):
    path = writer.write(tmp_path, pages=1)
    noisy = writer.hexed([(0, 0, 256, 0, k % 2) for k in range(300)]).encode()
    broken(path, lambda content: content[:-3601] + noisy + b"\n")
    gathered = read(path)
    assert gathered.marks == []
    assert remarks(gathered)["button_noise"].count == 150


@pytest.mark.parametrize(
    ("zone", "first_ns", "clock"),
    [
        ("GMT +02:00", 1_777_615_200 * 10**9, "utc"),
        ("GMT -04:00", 1_777_636_800 * 10**9, "utc"),
        ("GMT +05:30", 1_777_602_600 * 10**9, "utc"),
        ("", 1_777_622_400 * 10**9, "local"),
        ("Paris", 1_777_622_400 * 10**9, "local"),
        (None, 1_777_622_400 * 10**9, "local"),
    ],
)
def test_the_stated_offset_makes_utc_and_says_so(tmp_path, zone, first_ns, clock):
    gathered = read(writer.write(tmp_path, pages=1, **{"Time Zone": zone}))
    assert (int(tracks(gathered)["accel"].time_ns[0]), gathered.clock) == (first_ns, clock)
    assert ("zone_offset" in remarks(gathered)) == (clock == "utc")


@pytest.mark.parametrize(
    ("location", "wrist", "told"),
    [
        ("left wrist", "left", False),
        ("Right Wrist", "right", False),
        ("", None, False),
        ("back", None, True),
        ("left ankle", None, True),
    ],
)
def test_the_side_is_taken_from_the_header(tmp_path, location, wrist, told):
    gathered = read(writer.write(tmp_path, pages=1, **{"Device Location Code": location}))
    assert gathered.wrist == wrist
    assert ("not_wrist" in remarks(gathered)) == told
    assert "ankle" not in str(gathered.remarks)


def test_line_ends_and_decimal_commas_change_nothing(tmp_path):
    plain = read(writer.write(tmp_path, name="a.bin"))
    other = read(writer.write(tmp_path, name="b.bin", line_end="\r\n", decimal=","))
    for one, two in zip(plain.tracks, other.tracks, strict=True):
        np.testing.assert_array_equal(one.values, two.values)
        np.testing.assert_array_equal(one.time_ns, two.time_ns)


def test_nothing_of_the_wearer_or_the_study_leaves(tmp_path):
    notes = "of Jane Roe (device clock drift -1.459s)"
    gathered = read(writer.write(tmp_path, **{"Extract Notes": notes, "Device Model": "1.2"}))
    told = f"{gathered.source} {gathered.remarks} {gathered.subject} {gathered.marks}"
    for secret in ("S-0042", "1970-2-3", "tea", "Hospital", "Dr Who", "099999", "Jane"):
        assert secret not in told
    assert "-1.459 s" in remarks(gathered)["clock_drift"].note
    assert remarks(gathered)["light_scale"].stream == "light"
    assert gathered.source["device"] == "GENEActiv 1.2"


def test_a_gap_between_pages_stays(tmp_path):
    path = writer.write(tmp_path, pages=2)
    broken(path, lambda content: content.replace(b"08:00:06:000", b"08:00:06:500"))
    steps = np.diff(tracks(read(path))["accel"].time_ns)
    assert (steps[299], set(np.delete(steps, 299).tolist())) == (520 * 10**6, {20 * 10**6})


def test_pages_out_of_order_are_an_error_unless_sorted(tmp_path):
    path = writer.write(tmp_path, pages=6)
    first, second = marks(path.read_bytes())[1:3]
    third = marks(path.read_bytes())[3]
    broken(path, lambda c: c[:first] + c[second:third] + c[first:second] + c[third:])
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert caught.value.code == "time_backwards"
    np.testing.assert_array_equal(
        tracks(read(path, "sort_blocks"))["accel"].values,
        tracks(read(writer.write(tmp_path, pages=6, name="b.bin")))["accel"].values,
    )
    told = {one.name: [(said.code, said.count) for said in one.remarks] for one in read(path, "sort_blocks").tracks}
    pages, samples = [("sort_blocks", 2)], [("sort_blocks", 600)]
    assert told == {"accel": samples, "light": samples, "temperature": pages, "battery": pages}


@pytest.mark.parametrize("kept", [1, 40, 250, 900, 3700])
def test_a_cut_last_page_is_an_error_until_it_is_dropped(tmp_path, kept):
    path = writer.write(tmp_path, pages=5, promised=9)
    last = marks(path.read_bytes())[-1]
    broken(path, lambda content: content[: last + kept])
    with pytest.raises(TruncatedError) as caught:
        read(path)
    assert (caught.value.code, caught.value.byte) == ("cut_tail", last)
    assert "drop_tail" in caught.value.remedy
    gathered = read(path, "drop_tail")
    assert len(tracks(gathered)["accel"].values) == 1200
    head = writer.page(4).index(writer.hexed(writer.counts(4))[:12])
    samples, readings = max(0, kept - head) // 12, [("temperature", 1), ("battery", 1)]
    told = [(one.stream, one.count) for one in gathered.remarks if one.code == "drop_tail"]
    assert told == [("light", samples), ("accel", samples), *(readings if kept > head else [])]
    assert remarks(gathered)["page_count"].count == 4


DAMAGES = {
    "letter": lambda page: page[:-100] + b"Z" + page[-99:],
    "lost bytes": lambda page: page[:-700] + page[-600:],
    "added bytes": lambda page: page[:-700] + b"00" + page[-700:],
    "lost mark": lambda page: b"Rexorded" + page[8:],
    "bad date": lambda page: page.replace(b"2026-05-01", b"2026-13-01"),
    "bad rate": lambda page: page.replace(b"Frequency:50.0", b"Frequency:0.0"),
    "no temperature": lambda page: page.replace(b"Temperature:2", b"Temperature:x"),
    "zeros": lambda page: bytes(len(page)),
    "gone": lambda page: page[:30],
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_page_is_skipped_and_counted_and_the_others_are_bit_equal(tmp_path, what):
    path = writer.write(tmp_path, pages=25)
    whole = read(path)
    edges = marks(path.read_bytes())
    broken(path, lambda c: c[: edges[7]] + DAMAGES[what](c[edges[7] : edges[8]]) + c[edges[8] :])
    gathered = read(path)
    kept = np.r_[0 : 7 * 300, 8 * 300 : 25 * 300]
    for name in ("accel", "light"):
        np.testing.assert_array_equal(tracks(gathered)[name].values, tracks(whole)[name].values[kept])
        np.testing.assert_array_equal(tracks(gathered)[name].time_ns, tracks(whole)[name].time_ns[kept])
    finding = remarks(gathered)["damaged_blocks"]
    assert finding.count == 1
    assert f"byte {edges[7]}" in finding.note
    assert "page_count" not in remarks(gathered)


def test_much_damage_is_an_error_until_skipping_is_asked_for(tmp_path):
    path = writer.write(tmp_path, pages=10)
    first = marks(path.read_bytes())[3]
    broken(path, lambda c: c.replace(b"08:00:18:000", b"08:00:78:000"))
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert (caught.value.code, caught.value.byte) == ("damaged_blocks", first)
    gathered = read(path, "skip_damaged")
    assert len(tracks(gathered)["accel"].values) == 2700
    assert remarks(gathered)["damaged_blocks"].count == 1


def test_pages_that_span_blocks_of_reading_are_whole(tmp_path, monkeypatch):
    path = writer.write(tmp_path, pages=9)
    whole = tracks(read(path))["accel"]
    monkeypatch.setattr(geneactiv, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(geneactiv, "_BATCH_PAGES", 2)
    parts = tracks(read(path))["accel"]
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.time_ns, whole.time_ns)


def test_arrays_on_disk_are_the_same(tmp_path):
    path = writer.write(tmp_path, pages=9)
    on_disk = geneactiv.read(path, Request(Spool(tmp_path)))
    for one, two in zip(read(path).tracks, on_disk.tracks, strict=True):
        np.testing.assert_array_equal(one.values, two.values)


@pytest.mark.parametrize("key", ["x gain", "z offset", "Volts", "Lux"])
@pytest.mark.parametrize("text", [None, "", "12z", "0x10", "1e400", "nan"])
def test_calibration_that_cannot_be_read_is_an_error(tmp_path, key, text):
    with pytest.raises(RecordingError) as caught:
        read(writer.write(tmp_path, **{key: text}))
    assert caught.value.code == "header"


@pytest.mark.parametrize("key", ["y gain", "Volts"])
def test_calibration_of_zero_is_an_error(tmp_path, key):
    with pytest.raises(RecordingError, match="of zero"):
        read(writer.write(tmp_path, **{key: "0"}))


def test_files_without_pages_are_empty_and_others_are_not_recognised(tmp_path):
    assert geneactiv.recognises(writer.write(tmp_path))
    with pytest.raises(EmptyRecordingError):
        read(writer.write(tmp_path, pages=0, name="none.bin"))
    cut = broken(writer.write(tmp_path, pages=1, name="cut.bin"), lambda c: c[:-900])
    with pytest.raises(EmptyRecordingError):
        read(cut, "drop_tail")
    other = tmp_path / "other.bin"
    other.write_bytes(b"MDTC" + bytes(2000))
    assert not geneactiv.recognises(other)
    assert not geneactiv.recognises(tmp_path)
    with pytest.raises(NotThisFormatError):
        read(other)


def test_any_damage_ends_in_a_recording_or_a_typed_error(tmp_path):
    content = writer.write(tmp_path, pages=3).read_bytes()
    path, chance, ends = tmp_path / "fuzz.bin", random.Random(5), set()  # noqa: S311  damage, no secret
    for _ in range(600):
        data = bytearray(content)
        for _ in range(chance.choice([1, 1, 3, 20])):
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.choice([1, 12, 3000])]
            elif kind == 2:
                data[at:at] = data[: chance.choice([1, 60, 2000])]
            else:
                data[at : at + 50] = bytes(50)
            data = data or bytearray(b"\n")
        path.write_bytes(bytes(data))
        try:
            gathered = read(path, *chance.choice([(), ("skip_damaged", "drop_tail"), ("sort_blocks", "drop_exact")]))
        except RecordingError as error:
            ends.add(error.code)
        else:
            ends.add("read")
            assert len(tracks(gathered)["accel"].values) % 300 == 0
    assert {"read", "damaged_blocks", "header"} <= ends


@pytest.mark.real_data
def test_the_vendors_own_values_are_met(real_data):
    folder = real_data / "devices/skdh"
    gathered, truth = read(folder / "gnactv_sample.bin"), np.load(folder / "gnactv_data.npz", allow_pickle=False)
    accel = tracks(gathered)["accel"]
    np.testing.assert_allclose(accel.values, truth["accel"], atol=5e-5)
    seconds = (accel.time_ns - accel.time_ns[0]) / 1e9
    np.testing.assert_allclose(seconds, truth["time"] - truth["time"][0], atol=1e-6)
    assert seconds[300] - seconds[299] == pytest.approx(0.52)
    assert accel.time_ns[0] == (truth["time"][0] + 4 * 3600) * 1e9
    np.testing.assert_array_equal(np.floor(tracks(gathered)["light"].values[:, 0] + 1e-3), truth["light"])
    np.testing.assert_allclose(
        np.repeat(tracks(gathered)["temperature"].values[:, 0], 300), truth["temperature"], rtol=1e-6
    )


@pytest.mark.real_data
def test_a_real_cut_file_is_an_error_until_its_tail_is_dropped(real_data):
    path = real_data / "devices/ggirread/GENEActiv_testfile.bin"
    with pytest.raises(TruncatedError) as caught:
        read(path)
    assert caught.value.byte == 62_543
    gathered = read(path, "drop_tail")
    assert len(tracks(gathered)["accel"].values) == 16 * 300
    told = {one.stream: one.count for one in gathered.remarks if one.code == "drop_tail"}
    assert told == {"accel": 231, "light": 231, "temperature": 1, "battery": 1}
    assert "222048 pages, the file has 17" in remarks(gathered)["page_count"].note


def test_pages_of_two_devices_in_one_file_are_refused_and_no_serial_number_is_told(tmp_path):
    first = "".join(writer.page(number) for number in range(4))
    other = first.replace("Code:099999", "Code:011111")
    header = writer.header(pages=4)
    for text, byte in ((header + first + other, len(header + first)), (header + first + header + first, None)):
        path = tmp_path / "two.bin"
        path.write_bytes(text.encode())
        with pytest.raises(RecordingError) as caught:
            read(path, "skip_damaged")
        assert caught.value.code == "several_recordings"
        assert caught.value.byte == (byte or len(header + first))
        assert "11111" not in str(caught.value)
        assert "99999" not in str(caught.value)


def test_one_page_with_another_serial_number_is_read_and_told(tmp_path):
    path = broken(writer.write(tmp_path, pages=4), lambda whole: _last_replaced(whole, b"Code:099999", b"Code:019999"))
    gathered = read(path)
    assert remarks(gathered)["serial_differs"].count == 1
    assert len(tracks(gathered)["accel"].values) == 4 * 300


def _last_replaced(whole, old, new):
    at = whole.rindex(old)
    return whole[:at] + new + whole[at + len(old) :]
