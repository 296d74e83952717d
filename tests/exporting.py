"""Small trained detectors, recordings for them, and packages with a change in them."""

import shutil
import struct

import numpy as np
import torch
from torch import nn

from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.coreml import convert
from wristkit.export.narrow import narrowed
from wristkit.export.package_file import coremltools
from wristkit.export.parity import trial_windows
from wristkit.models import build
from wristkit.recording import Recording, Stream

CLASSES = ("none", "tap", "wash & <dry>")
MOTION = (Source("accel", ("x", "y", "z"), "g", 0.1), Source("gyro", ("x", "y", "z"), "rad/s", 0.1))
PRESSURE = (Source("pressure", ("pressure",), "kPa", 0.5),)


FREQUENCIES_HZ = (0.0, 1.0, 5.0)


def motion(labels, samples, channels, *, seed):
    """Return (n, channels, samples): noise, and for each class a swing of its own frequency."""
    random = np.random.default_rng(seed)
    phase = np.array(FREQUENCIES_HZ)[labels, None] * np.arange(samples) / 50 + random.random((len(labels), 1))
    swing = np.sin(2 * np.pi * phase)[:, None, :] * (0.5 + random.random((len(labels), 1, 1)))
    return swing + 0.3 * random.standard_normal((len(labels), channels, samples))


def detector(samples=100, hop=20, *, sources=MOTION, offset=0.0, spread=1.0, seed=0, epochs=40):
    """Return a net that was trained for a second."""
    torch.manual_seed(seed)
    conditioning = Conditioning(sources, (Frame(), Resample(50.0)))
    channels = conditioning.channels
    model = build("tcn", channels=channels, classes=CLASSES, samples=samples, hop=hop)
    labels = np.arange(96) % 3
    values = (motion(labels, samples, len(channels), seed=seed) * spread + offset).astype(np.float32)
    model.fit_normaliser(values)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(values)), torch.from_numpy(labels)).backward()
        optimiser.step()
    spec = DetectorSpec(conditioning, samples, hop, CLASSES, EventDecoder(), model.architecture)
    return Detector(spec, model)


def of_net(net, *, samples=20, channels=("x", "y", "z")):
    """Return a detector around any net."""
    conditioning = Conditioning((Source("accel", channels, "g", 0.1),), (Frame(), Resample(50.0)))
    return Detector(DetectorSpec(conditioning, samples, 5, CLASSES, EventDecoder(), None), net)


def recording(bouts=4, bout_s=10, seed=7):
    """Return bouts of the classes in turn."""
    values = np.concatenate(list(motion(np.arange(bouts) % 3, bout_s * 50, 6, seed=seed)), axis=1).T
    time_s = np.arange(len(values)) / 50
    return Recording.of(
        [Stream.measured("accel", time_s, values[:, :3]), Stream.measured("gyro", time_s, values[:, 3:])]
    )


def converted(one, path, *, precision, target="watchOS10", **asked):
    """Return the path of a package, int8 rounded on the recording of this file."""
    if precision == "int8":
        asked["narrow"] = narrowed(one.model, trial_windows(one, [recording()]).values, bound=5e-3)
    return convert(one, path, precision=precision, target=target, **asked)


def status(table):
    return dict(zip(table["check"], table["status"], strict=True))


def measured(table):
    return dict(zip(table["check"], table["measured"], strict=True))


def program_file(package):
    return package / "Data/com.apple.CoreML/model.mlmodel"


def edited(package, folder, edit):
    """Return a copy of a package whose program went through ``edit(model, operations)``."""
    copy = shutil.copytree(package, folder / "edited.mlpackage")
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString(program_file(copy).read_bytes())
    edit(model, next(iter(model.mlProgram.functions["main"].block_specializations.values())).operations)
    program_file(copy).write_bytes(model.SerializeToString())
    return copy


def weight_file(package):
    return package / "Data/com.apple.CoreML/weights/weight.bin"


def records(data):
    """Yield (offset, type, bytes, start) of each record of a weight file."""
    for offset in range(0, len(data) - 24, 64):
        magic, kind, size, start = struct.unpack_from("<IIQQ", data, offset)
        if magic == 0xDEADBEEF:
            yield offset, kind, size, start
