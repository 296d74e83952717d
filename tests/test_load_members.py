"""Files of a folder or zip: the directory of a zip is parsed once, and unpacked bytes are counted in every reading."""

import gzip
import hashlib
import os
import zipfile

import pytest

from tests.formats import apple_health
from wristkit.errors import RecordingError
from wristkit.load import formats, load, members
from wristkit.load.members import find_members, single, zip_files, zip_sizes


def packed(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def parsed(monkeypatch):
    """Return a list that grows with each zip whose directory is parsed."""
    found, plain = [], zipfile.ZipFile

    class Counted(plain):
        def __init__(self, file, *options):
            found.extend([file] if isinstance(file, os.PathLike) else [])
            super().__init__(file, *options)

    monkeypatch.setattr(members.zipfile, "ZipFile", Counted)
    return found


def test_a_zip_of_many_files_is_parsed_once_by_all_who_recognise_and_read_it(tmp_path, parsed):
    path = apple_health.write(tmp_path, ecgs=[apple_health.ecg(count=20, seed=number) for number in range(30)])
    parsed.clear()
    assert [name for name, reader in formats().items() if reader.recognises(path)] == ["apple_health"]
    assert sum(name.startswith("ecg") for name in load(path).streams) == 30
    assert parsed == [path]


def test_names_sizes_and_bytes_are_those_of_the_zip(tmp_path):
    files = {"a/x.csv": b"1,2\n" * 500, "a/y.csv": b"", "b.txt": b"b"}
    path = packed(tmp_path / "a.zip", files | {"__MACOSX/a/._x.csv": b"?", "a/": b""})
    assert zip_files(path) == list(files)
    assert zip_sizes(path) == {name: len(content) for name, content in files.items()}
    found = find_members(path, ("x.csv",))
    assert found.size("x.csv") == 2000
    assert 0 < found.packed_size("x.csv") < 100
    for _ in range(2):
        with found.open("x.csv") as file, found.open("y.csv") as beside:
            assert (file.read(), beside.read()) == (files["a/x.csv"], b"")


def test_a_zip_that_was_written_anew_is_read_anew_though_size_and_time_are_the_same(tmp_path):
    path = packed(tmp_path / "a.zip", {"x.csv": b"old"})
    before = path.stat()
    with find_members(path, ("x.csv",)).open("x.csv") as file:
        assert file.read() == b"old"
    path.write_bytes(packed(tmp_path / "b.zip", {"x.csv": b"new"}).read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with find_members(path, ("x.csv",)).open("x.csv") as file:
        assert file.read() == b"new"


def parts(read):
    """Return all bytes that a way of reading gives, part by part."""
    return b"".join(iter(read, b""))


def filled(file):
    buffer = bytearray(10_000)
    return b"".join(bytes(buffer[:count]) for count in iter(lambda: file.readinto(buffer), 0))


WAYS = {
    "read": lambda file: file.read(),
    "read_parts": lambda file: parts(lambda: file.read(10_000)),
    "read1": lambda file: parts(lambda: file.read1(10_000)),
    "readinto": filled,
    "lines": b"".join,
    "readlines": lambda file: b"".join(file.readlines()),
}


@pytest.mark.parametrize("way", WAYS)
def test_gzip_is_unpacked_and_limited_in_every_way_of_reading(tmp_path, way):
    content = os.urandom(200_000).hex().encode() + b"\n"
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with single(tmp_path / "a.gz").open("a.gz") as file:
        assert WAYS[way](file) == content
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"1,2,3,4\n" * 2**20))
    with single(tmp_path / "b.gz").open("b.gz") as file, pytest.raises(RecordingError) as caught:
        WAYS[way](file)
    assert caught.value.code == "zip_bomb"


def test_a_hash_of_gzip_is_limited_too(tmp_path):
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(2**23)))
    with single(tmp_path / "b.gz").open("b.gz") as file, pytest.raises(RecordingError) as caught:
        hashlib.file_digest(file, "sha256")
    assert caught.value.code == "zip_bomb"


def test_an_encrypted_zip_is_called_so(tmp_path):
    path = packed(tmp_path / "a.zip", {"x.csv": b"1,2\n"})
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of an entry, here and in the directory
        content[content.index(signature) + at] |= 1
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="encrypted") as told, find_members(path, ("x.csv",)).open("x.csv"):
        pass
    assert told.value.code == "encrypted"
