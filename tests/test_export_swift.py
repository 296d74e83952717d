"""The Swift package, of which only the text can be checked here, and the C++ core in it, which runs."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from tests.compiled import Shim, needs_compiler
from wristkit.export.coreml import INPUT, PROBABILITIES
from wristkit.export.swift import NAME, write_swift
from wristkit.recipes import double_tap, handwashing

FILES = {
    *("Package.swift", "README.md"),
    *(f"Sources/DetectorCore/{NAME}{end}" for end in (".hpp", "_c.cpp")),
    f"Sources/DetectorCore/include/{NAME}_c.h",
    *(f"Sources/WristDetector/{name}.swift" for name in ("WristDetector", "CoreMLScorer", "DeviceLog")),
    *(f"Sources/WristSensors/{name}.swift" for name in ("MotionSensors", "Microphone")),
    "Tests/WristDetectorTests/GoldenTests.swift",
    *(f"Tests/WristDetectorTests/golden/{name}.csv" for name in ("samples", "windows", "events")),
}
APPLE = {"CoreML", "CoreMotion", "HealthKit", "AVFAudio"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Return the packages of a detector and of a cascade that hears, with what they were made of."""
    folder = tmp_path_factory.mktemp("swift")
    detector, recording = double_tap.default(), double_tap.simulate(3)
    cascade = handwashing.default()
    return {
        "double_tap": (detector, write_swift(detector, folder / "tap", recording=recording)),
        "handwashing": (cascade, write_swift(cascade, folder / "wash")),
    }


@pytest.fixture(params=["double_tap", "handwashing"])
def package(request, packages):
    return packages[request.param]


def sources(folder):
    return {path: path.read_text() for path in folder.rglob("*.swift")}


def test_every_file_is_there(package):
    _, folder = package
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES


def test_nothing_of_a_template_is_left(package):
    for path in package[1].rglob("*"):
        if path.is_file():
            assert not re.search(r"@[A-Z][A-Z_0-9]*@", path.read_text()), path.name


def test_every_bracket_is_closed(package):
    for path, text in sources(package[1]).items():
        bare = re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*', "", text)
        opened = []
        for one in re.findall(r"[()\[\]{}]", bare):
            if one in "([{":
                opened.append(one)
            else:
                assert opened, path.name
                assert opened.pop() + one in {"()", "[]", "{}"}, path.name
        assert opened == [], path.name


def test_apples_own_is_imported_where_it_can_be(package):
    for path, text in sources(package[1]).items():
        for name in re.findall(r"^import (\w+)", text, flags=re.MULTILINE):
            if name in APPLE:
                before = text[: text.index(f"import {name}")]
                assert "#if canImport(" in before, path.name
                assert text.rstrip().endswith("#endif"), path.name


def test_every_c_function_that_swift_calls_is_declared(package):
    folder = package[1]
    header = (folder / f"Sources/DetectorCore/include/{NAME}_c.h").read_text()
    called = set(re.findall(rf"\b{NAME}_\w+", "\n".join(sources(folder).values())))
    assert len(called) >= 14
    assert called <= set(re.findall(rf"\b{NAME}_\w+", header))


def test_it_says_that_nothing_was_run(package):
    assert "**Not run.**" in (package[1] / "README.md").read_text()
    assert "No Swift compiler has seen" in (package[1] / "Package.swift").read_text()


def test_the_model_is_asked_by_the_names_of_the_package(package):
    detector, folder = package
    text = (folder / "Sources/WristDetector/CoreMLScorer.swift").read_text()
    assert f'input = "{INPUT}"' in text
    assert f'output = "{PROBABILITIES}"' in text
    stages = [detector] if hasattr(detector, "spec") else [detector.gate, detector.confirm]
    shapes = [[1, len(one.spec.conditioning.channels), one.spec.length] for one in stages]
    assert f"shapes: [[Int]] = [{', '.join(map(str, shapes))}]" in text


def test_the_log_has_the_fields_that_replay_reads(package):
    from wristkit.export import device_log

    text = (package[1] / "Sources/WristDetector/DeviceLog.swift").read_text()
    documented = set(re.findall(r'"(\w+)":', device_log.__doc__)) - {"input", "start_s", "rate_hz", "float32", "accel"}
    assert documented <= set(re.findall(r'"(\w+)":', text))
    assert f'"{device_log.FORMAT}"' in text


def test_the_core_passes_the_golden_vectors(package, tmp_path):
    """What XCTest does on a Mac, through the same C functions."""
    needs_compiler()
    detector, folder = package
    golden = folder / "Tests/WristDetectorTests/golden"
    source = tmp_path / "source"
    shutil.copytree(folder / "Sources/DetectorCore", source)
    shutil.copy(source / f"include/{NAME}_c.h", source)
    windows = []

    def keep(_context, stage, window, probabilities):
        spec = (detector if hasattr(detector, "spec") else (detector.gate, detector.confirm)[stage]).spec
        if stage == 0:
            windows.append(np.ctypeslib.as_array(window, (len(spec.conditioning.channels) * spec.length,)).copy())
        for place in range(len(spec.classes)):
            probabilities[place] = 1 / len(spec.classes)

    for score in (None, keep):
        shim = Shim(source, tmp_path, name=NAME, score=score)
        shim.reset(wrist=1, crown=2)
        names = [shim["stream_name"](place).decode() for place in range(shim["streams"]())]
        for line in (golden / "samples.csv").read_text().splitlines():
            name, time_s, *values = line.split(",")
            assert shim.push(names.index(name), float(time_s), list(map(float, values))) == "taken"
        finals = [row for row in shim.flush() if row[5]]
        if score is None:
            wanted = [line.split(",") for line in (golden / "events.csv").read_text().splitlines()]
            assert [row[2] for row in finals] == [row[2] for row in wanted]
            found = np.array([[row[0], row[1], row[3], row[4]] for row in finals]).reshape(-1, 4)
            expected = np.array([[row[0], row[1], row[3], row[4]] for row in wanted], dtype=float).reshape(-1, 4)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    expected = np.loadtxt(golden / "windows.csv", delimiter=",", ndmin=2)
    assert len(expected) == 4
    np.testing.assert_allclose(np.stack(windows[:4]), expected, rtol=0, atol=1e-5)


def test_a_swift_compiler_builds_it(package):
    if shutil.which("swift") is None:
        pytest.skip("there is no Swift compiler on PATH: the Swift package was not run")
    done = subprocess.run(["swift", "build"], cwd=package[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
