"""Hostile files: nothing is written elsewhere, nothing is run, and neither time nor memory runs away."""

import gzip
import io
import json
import os
import pickle
import socket
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.formats import (
    actigraph,
    apple_health,
    axivity,
    core_motion,
    empatica,
    geneactiv,
    sensor_logger,
    sound,
    table,
)
from tests.limits import MB, Sandbox
from wristkit import store
from wristkit.load import load

MOST_GROWTH_MB = 200
EVIL = "<img src=x onerror=alert(1)>$a_b^$<script>"
FORMULA = "=HYPERLINK(0)"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each file is read in a fork of its own")


@pytest.fixture(scope="module")
def sandbox():
    """Return the process that reads hostile files."""
    one = Sandbox()
    yield one
    one.close()


@pytest.fixture
def place(tmp_path):
    """Return a folder for the file, with a secret and a place for a marker beside it."""
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("the-secret-word\n")
    return folder


def marker(place):
    """Return the file that would be there if anything in a hostile file were run."""
    return place.parent / "marker"


class Payload:
    """What makes the marker when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def zipped(place, files, *, name="a.zip", method=zipfile.ZIP_DEFLATED):
    path = place / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
    return path


def motion(**replaced):
    return sensor_logger.contents() | {f"{name}.csv": content for name, content in replaced.items()}


def npz(place, content):
    return zipped(place, {"time.npy": content}, name="a.npz")


def npy_header(text):
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def plain(place, name, content):
    (place / name).write_bytes(content)
    return place / name


def exported(place, text):
    return apple_health.write(place, kind="file", content=text.encode())


_HEADER = f"{','.join(table.SCHEMA)}\n".encode()

# Archives


def slip(place):
    return zipped(place, {f"../../{name}": content for name, content in motion().items()})


def absolute_names(place):
    return zipped(place, {f"{place.parent}/out/{name}": content for name, content in motion().items()})


def link_in_zip(place):
    path = place / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in motion().items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name == "HeartRate.csv" else 0o644 << 16
            archive.writestr(info, str(place.parent / "secret.txt") if name == "HeartRate.csv" else content)
    return path


def bomb(place):
    return zipped(place, motion(WristMotion=bytes(100 * MB)))


def bomb_of_text(place):
    line = b"1772438400123456789,0,0,0,0,0,0,-1,0,0,0,1,0,0,0\n"
    return zipped(place, motion(WristMotion=motion()["WristMotion.csv"] + line * 2_000_000))


def lying_sizes(place):
    content = zipped(place, motion(WristMotion=bytes(100 * MB))).read_bytes()
    at = content.index(b"PK\x01\x02")
    return plain(place, "a.zip", content[: at + 24] + struct.pack("<I", 1000) + content[at + 28 :])


def nested_bomb(place):
    inner = bomb(place).read_bytes()
    for _ in range(3):
        inner = zipped(place, {"WristMotion.csv": inner, "inner.zip": inner}).read_bytes()
    return place / "a.zip"


def overlapping(place):
    """Return a zip whose entries all share one packed block."""
    content = zipped(place, {"ACC.csv": b"1560279825\n32\n" + b"1\n" * 5 * MB}).read_bytes()
    start = content.index(b"PK\x01\x02")
    entry, names = content[start : content.rindex(b"PK\x05\x06")], ("BVP", "EDA", "HR", "IBI", "TEMP", "ACC", "tags")
    entries = b""
    for number in range(5000):
        name = f"{names[number]}.csv" if number < len(names) else f"{number}.csv"
        entries += entry[:28] + struct.pack("<H", len(name)) + entry[30:46] + name.encode()
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5000, 5000, len(entries), start, 0)
    return plain(place, "a.zip", content[:start] + entries + end)


def many_members(place):
    path = place / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100_000):
            archive.writestr(str(number), b"")
    return path


def huge_dictionary(place):
    """Return a zip whose packed data ask for a window of 4 GB."""
    path = zipped(place, motion(), method=zipfile.ZIP_LZMA)
    content = path.read_bytes()
    at = content.index(b"\x5d\x00\x00\x80\x00")
    return plain(place, "a.zip", content[: at + 1] + b"\xff\xff\xff\xff" + content[at + 5 :])


def gzip_bomb(place):
    return plain(place, "a.csv.gz", gzip.compress(_HEADER + b"1,1,1,1,1,1,1,a\n" * 10 * MB))


def gzip_of_one_line(place):
    return plain(place, "a.csv.gz", gzip.compress(bytes(200 * MB).replace(b"\0", b"x"), 1))


def gzipped(head, block, tail=b""):
    """Return some 400 MB of a repeated block, packed part by part as gzip allows."""
    return gzip.compress(head) + gzip.compress(block) * (400 * MB // len(block)) + gzip.compress(tail)


def gzip_bomb_of_sound(place):
    head = sound.wav(np.zeros((0, 1)), promised_bytes=400 * MB)
    return plain(place, "packed.wav", gzipped(head, bytes(4 * MB)))


def gzip_bomb_of_sound_beside_motion(place):
    path = sensor_logger.write(place)
    gzip_bomb_of_sound(place).rename(path / "WatchMicrophone.wav")
    return path


def gzip_bomb_of_xml(place):
    head, tail = apple_health.xml("<x/>").encode().split(b"<x/>")
    return plain(place, "export.xml", gzipped(head, (b" " * 1000 + b"<x/>") * 4000, tail))


def gzip_bomb_of_device(place):
    with zipfile.ZipFile(actigraph.write(place.parent)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (place / "info.txt").write_bytes(files["info.txt"])
    (place / "log.bin").write_bytes(gzipped(files["log.bin"], bytes(4 * MB)))
    return place


# XML


def billion_laughs(place):
    entities = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    dtd = f'<!DOCTYPE HealthData [<!ENTITY l0 "lol">{entities}]>'
    return exported(place, apple_health.xml('<Record type="&l9;"/>&l9;' + apple_health.usual(), dtd=dtd))


def quadratic_blowup(place):
    dtd = f'<!DOCTYPE HealthData [<!ENTITY a "{"a" * 50_000}">]>'
    return exported(place, apple_health.xml("&a;" * 50_000 + apple_health.usual(), dtd=dtd))


def external_entity(place):
    dtd = f'<!DOCTYPE HealthData [<!ENTITY x SYSTEM "file://{place.parent}/secret.txt">]>'
    return exported(place, apple_health.xml(f'<Workout workoutActivityType="&x;"/>&x;{apple_health.usual()}', dtd=dtd))


def external_dtd(place):
    dtd = f'<!DOCTYPE HealthData SYSTEM "file://{place.parent}/secret.txt" [%x;]>'
    return exported(place, apple_health.xml(apple_health.usual(), dtd=dtd))


def deep_xml(place):
    return exported(place, apple_health.xml("<a>" * 1_000_000))


def many_attributes(place):
    told = " ".join(f'a{number}="1"' for number in range(300_000))
    return exported(place, apple_health.xml(f"<Record {told}/>"))


def endless_tag(place):
    return exported(place, apple_health.xml('<Record type="' + "x" * 50 * MB))


# Arrays and pickles


def huge_array(place):
    return npz(place, npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }") + bytes(80))


def overflowing_array(place):
    shape = "(4294967296, 4294967296, 4294967296)"
    return npz(place, npy_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"))


def code_in_header(place):
    return npz(place, npy_header(f"__import__('os').mkdir({str(marker(place))!r})"))


def objects_in_array(place):
    whole = io.BytesIO()
    np.lib.format.write_array(whole, np.array([Payload(marker(place))], dtype=object), allow_pickle=True)
    return npz(place, whole.getvalue())


def pickle_as_table(place):
    return plain(place, "a.csv", pickle.dumps(Payload(marker(place))))


def pickle_as_text(place):
    return plain(place, "a.csv", b"time,ax\n" + pickle.dumps(Payload(marker(place)), protocol=0))


# What is no plain file


def pipe(place):
    os.mkfifo(place / "a.zip")
    return place / "a.zip"


def pipe_in_folder(place):
    path = sensor_logger.write(place)
    (path / "WristMotion.csv").unlink()
    os.mkfifo(path / "WristMotion.csv")
    return path


def endless_device(place):
    (place / "a.csv").symlink_to("/dev/zero")
    return place / "a.csv"


def endless_device_in_folder(place):
    path = empatica.write(place)
    (path / "ACC.csv").unlink()
    (path / "ACC.csv").symlink_to("/dev/zero")
    return path


def endless_metadata(place):
    path = sensor_logger.write(place)
    (path / "Metadata.csv").unlink()
    (path / "Metadata.csv").symlink_to("/dev/zero")
    return path


def endless_statement(place):
    path = core_motion.write(place)
    (path / "wristkit.json").unlink()
    (path / "wristkit.json").symlink_to("/dev/zero")
    return path


def link_to_itself(place):
    (place / "a.zip").symlink_to(place / "a.zip")
    return place / "a.zip"


def folder_in_itself(place):
    path = apple_health.write(place, kind="folder")
    (path / "electrocardiograms").mkdir(exist_ok=True)
    (path / "electrocardiograms" / "again").symlink_to(path)
    (path / "workout-routes").symlink_to(path)
    return path


def listening_socket(place):
    one = socket.socket(socket.AF_UNIX)
    here = os.open(place, os.O_RDONLY)  # a path of a socket must be short
    try:
        one.bind(f"/proc/self/fd/{here}/s" if Path("/proc/self/fd").exists() else str(place / "s"))
    finally:
        os.close(here)
        one.close()
    return place / "s"


# Text


def million_columns(place):
    header = ",".join(f"c{number}" for number in range(100_000)).encode()
    return plain(place, "a.csv", header + b"\n" + b"1," * 99_999 + b"1\n")


def million_columns_of_motion(place):
    header = motion()["WristMotion.csv"].partition(b"\n")[0] + b",x" * 1_000_000
    return sensor_logger.write(place, replaced={"WristMotion.csv": header + b"\n"})


def endless_line(place):
    return sensor_logger.write(place, replaced={"WristMotion.csv": b"x" * 100 * MB})


def endless_line_of_table(place):
    return plain(place, "a.csv", b"time,ax\n1,2\n" + b"1" * 100 * MB)


def endless_line_of_numbers(place):
    rows = motion()["WristMotion.csv"].split(b"\n")[:3]
    return sensor_logger.write(place, replaced={"WristMotion.csv": b"\n".join(rows) + b"," + b"1," * 50 * MB})


def many_words(place):
    rows = "".join(f"{1772438400000 + k},0,0,9.8,0,0,0,{k:x}\n" for k in range(300_000))
    return plain(place, "a.csv", b"time,ax,ay,az,gx,gy,gz,activity\n" + rows.encode())


def deep_json(place):
    return plain(place, "a.json", b'[{"sensor": "WristMotion", "time": ' + b"[" * 10_000_000)


def deep_statement(place):
    return core_motion.write(place, files={"wristkit.json": "{}"}) and _stated(place, '{"format": "core_motion", "a": ')


def _stated(place, start):
    (place / "log" / "wristkit.json").write_text(start + "[" * 30_000)
    return place / "log"


def long_numbers(place):
    text = motion()["Metadata.csv"].decode().replace("|20", "|" + "9" * 50_000)
    return sensor_logger.write(place, replaced={"Metadata.csv": text.encode()})


# Headers that promise what is not there


def promised_sound(place):
    return sound.write(place, promised_bytes=0xFFFFFFFF)


def promised_flac(place):
    content = bytearray(sound.write(place, kind="FLAC").read_bytes())
    content[21:26] = bytes([content[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF])
    return plain(place, "sound.flac", bytes(content))


def promised_channels(place):
    path = sound.write(place)
    content = bytearray(path.read_bytes())
    content[22:24] = b"\xff\xff"
    return plain(place, path.name, bytes(content))


def promised_wav_of_axivity(place):
    return axivity.write_wav(place, promised=2**28)


def promised_blocks(place):
    """Return blocks that each say that they hold 65,535 samples, and one of the last second that there is."""

    def damage(whole):
        blocks = bytearray(whole)
        for at in range(axivity.HEADER_BYTES, len(whole), axivity.BLOCK_BYTES):
            blocks[at + 28 : at + 30] = b"\xff\xff"
            blocks[at + 10 : at + 14] = b"\xff\xff\xff\xff"
            blocks[at : at + 512] = axivity.summed(bytes(blocks[at : at + 510]))
        return bytes(blocks)

    return axivity.write(place, damage=damage)


def promised_pages(place):
    return geneactiv.write(place, promised=999_999_999_999)


def promised_rate(place):
    return geneactiv.write(place, **{"Measurement Frequency": "1e300 Hz"})


def promised_record(place):
    return actigraph.write(place, content=actigraph.log(seconds=3) + b"\x1e\x00" + b"\xff" * 6 + bytes(100))


def promised_date(place):
    return actigraph.write(place, info={"Start Date": "9" * 50_000, "Sample Rate": "9" * 5000})


def empty_decades(place):
    """Return two seconds of a device that lie 130 years apart."""
    parts = [actigraph.record(0, second, actigraph.packed([(0, 0, 256)] * 30)) for second in (1, 2**32 - 2)]
    return actigraph.write(place, content=b"".join(parts))


def sparse_rows(place):
    rows = "".join(f"{1e15 * k:.0f},0,0,9.81,0,0,0,a\n" for k in range(1, 50))
    return plain(place, "a.csv", b"time,ax,ay,az,gx,gy,gz,activity\n" + rows.encode())


def promised_rate_of_sensor(place):
    replaced = {"ACC.csv": "1560279825,1560279825,1560279825\n1e-300,1e-300,1e-300\n1,1,64\n2,2,64\n"}
    return empatica.write(place, replaced=replaced)


# A native folder


def native(place):
    store.save(load(sensor_logger.write(place)), place / "native")
    return place / "native"


def native_that_points_outside(place):
    path = native(place) / store.HEADER
    header = json.loads(path.read_text())
    header["streams"][0]["files"]["values"]["name"] = "../../secret.txt"
    path.write_text(json.dumps(header))
    return path.parent


def native_of_objects(place):
    folder = native(place)
    values = next(folder.glob("00-*-values-*.npy"))
    np.save(values, np.array([Payload(marker(place))], dtype=object), allow_pickle=True)
    return folder


def native_with_huge_array(place):
    folder = native(place)
    values = next(folder.glob("00-*-values-*.npy"))
    values.write_bytes(npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 100000000000), }") + bytes(80))
    return folder


def deep_native(place):
    path = native(place) / store.HEADER
    path.write_text('{"schema": ' + "[" * 200_000)
    return path.parent


ATTACKS = {
    slip: None,
    absolute_names: None,
    link_in_zip: "refused",
    bomb: {"zip_bomb"},
    bomb_of_text: {"zip_bomb"},
    lying_sizes: "refused",
    nested_bomb: "refused",
    overlapping: "refused",
    many_members: "refused",
    huge_dictionary: "refused",
    gzip_bomb: {"zip_bomb"},
    gzip_of_one_line: "refused",
    gzip_bomb_of_sound: {"zip_bomb"},
    gzip_bomb_of_sound_beside_motion: {"zip_bomb"},
    gzip_bomb_of_xml: {"zip_bomb"},
    gzip_bomb_of_device: "refused",
    billion_laughs: None,
    quadratic_blowup: None,
    external_entity: None,
    external_dtd: None,
    deep_xml: "refused",
    many_attributes: "refused",
    endless_tag: "refused",
    huge_array: {"truncated"},
    overflowing_array: {"truncated"},
    code_in_header: {"not_an_array"},
    objects_in_array: {"objects"},
    pickle_as_table: {"format"},
    pickle_as_text: "refused",
    pipe: {"not_regular"},
    pipe_in_folder: {"not_regular"},
    endless_device: {"not_regular"},
    endless_device_in_folder: "refused",
    endless_metadata: {"not_regular"},
    endless_statement: "refused",
    link_to_itself: {"missing"},
    folder_in_itself: None,
    listening_socket: {"not_regular"},
    million_columns: "refused",
    million_columns_of_motion: "refused",
    endless_line: "refused",
    endless_line_of_table: "refused",
    endless_line_of_numbers: "refused",
    many_words: {"too_many_labels"},
    deep_json: "refused",
    deep_statement: "refused",
    long_numbers: None,
    promised_sound: None,
    promised_flac: None,
    promised_channels: None,
    promised_wav_of_axivity: None,
    promised_blocks: None,
    promised_pages: None,
    promised_rate: None,
    promised_record: None,
    promised_date: None,
    empty_decades: None,
    sparse_rows: None,
    promised_rate_of_sensor: None,
    native_that_points_outside: {"path"},
    native_of_objects: {"truncated"},
    native_with_huge_array: {"truncated"},
    deep_native: "refused",
}


def tree(folder):
    """Return every file and link below a folder with what it holds, where it is a small plain file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = path.lstat()
        small = stat.S_ISREG(kind.st_mode) and kind.st_size < MB
        found[str(path.relative_to(folder))] = (kind.st_mode, kind.st_mtime_ns, path.read_bytes() if small else None)
    return found


def options_of(path):
    if path.name == "packed.wav":
        return {"format": "sound"}  # packed, it is a table as far as its first bytes tell
    return {"schema": table.SCHEMA} if path.suffix in {".csv", ".gz", ".npz"} else {}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("saved", [False, True], ids=["", "into"])
def test_a_hostile_file_does_no_harm(sandbox, place, attack, saved):
    path, expected = attack(place), ATTACKS[attack]
    target = place.parent / "target"
    into = target / "native" if saved and not (path / store.HEADER).is_file() else None
    before = tree(place.parent)
    ended = sandbox.load(path, into=into, **options_of(path))
    after = tree(place.parent)
    assert {name: one for name, one in after.items() if not name.startswith("target")} == before
    assert not marker(place).exists()
    assert ended["end"] in ({"loaded", "refused"} if expected is None else {"refused"}), ended["told"]
    assert "the-secret-word" not in ended["told"]
    assert ended["growth_mb"] <= MOST_GROWTH_MB
    if isinstance(expected, set):
        assert ended["code"] in expected, ended["told"]
    if ended["end"] == "refused" and target.exists():
        assert list(target.iterdir()) == [], "a load that failed left something behind"


# Hostile text


def named(place, text):
    """Return an export whose annotation, file name and folder carry a text."""
    notes = f'time,seconds_elapsed,text\n{sensor_logger.START_NS + 10**9},1.0,"{text}"\n'
    path = sensor_logger.write(place, replaced={"Annotation.csv": notes.encode(), f"{EVIL.replace('/', '')}.csv": b"x"})
    return path.rename(place / text.replace("/", ""))


@pytest.mark.parametrize("text", [EVIL, FORMULA, "$a_b^$", "\u202egnp.exe", "a" * 10_000, "</td><b>", "&lt;b&gt;"])
def test_text_of_a_file_is_shown_as_text(sandbox, place, text):
    path = named(place, text) if len(text) < 200 else named(place, text[:200])
    ended = sandbox.load(path, subject=text)
    assert ended["end"] == "loaded", ended["told"]
    shown = ended["html"]
    for tag in ("<img", "<script", "</td><b>", "onerror=alert(1)>"):
        assert tag not in shown
    assert "alert(1)" not in shown or "&lt;img src=x onerror=alert(1)&gt;" in shown


@pytest.mark.parametrize("text", ["../../evil", "/evil", "..", "a/../../evil", "\\..\\evil", "C:\\evil"])
def test_subjects_and_labels_name_no_path(sandbox, place, text):
    notes = f'time,seconds_elapsed,text\n{sensor_logger.START_NS},0.0,"{text}"\n'.replace("\x00", "")
    path = sensor_logger.write(place, replaced={"Annotation.csv": notes.encode()})
    before = tree(place.parent)
    ended = sandbox.load(path, into=place.parent / "target", subject=text)
    assert ended["end"] == "loaded", ended["told"]
    assert {name: one for name, one in tree(place.parent).items() if not name.startswith("target")} == before
    saved = load(place.parent / "target")
    assert saved.subject == text
    assert all(path.parent == place.parent / "target" for path in (place.parent / "target").iterdir())


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "x\x00y", "<b>"])
def test_streams_that_are_no_names_are_refused(place, name):
    path = table.write(place)
    before = tree(place.parent)
    with pytest.raises(ValueError, match="expected letters"):
        load(path, into=place.parent / "target", schema={"time": ("time", "ms"), "ax": (f"{name}.x", "V")})
    assert tree(place.parent) == before


def test_a_long_name_of_a_stream_is_no_long_name_of_a_file(sandbox, place):
    schema = {"time": ("time", "ms"), "ax": (f"{'a' * 300}.x", "V")}
    ended = sandbox.load(table.write(place), into=place.parent / "target", schema=schema)
    assert ended["end"] == "loaded", ended["told"]


def test_the_sandbox_tells_of_code_that_is_run_and_of_memory_that_is_taken(sandbox, place):
    """The test's own eyes: a harmless file takes little, and what would be a marker is seen."""
    ended = sandbox.load(sensor_logger.write(place))
    assert (ended["end"], ended["growth_mb"] < 50) == ("loaded", True)
    pickle.loads(pickle.dumps(Payload(marker(place))))  # noqa: S301  the payload is ours
    assert marker(place).exists()
