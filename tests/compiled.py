"""C++ built for tests, with the warnings of the package as errors, and what tests of it share."""

import ctypes
import hashlib
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

from wristkit import models
from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Cascade, Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import compiler
from wristkit.export.cpp.program import WARNINGS
from wristkit.export.cpp.writing import _runtime
from wristkit.filters import Filter, Moving
from wristkit.recipes import activity, double_tap, hand_gestures, handwashing, raise_to_speak, shelf

EXACT = 1e-5  # of torch
RECIPES = {one.NAME: one for one in (double_tap, hand_gestures, activity, handwashing, raise_to_speak)}


def needs_compiler():
    """Skip with a reason where there is no C++ compiler, and fail where there must be one."""
    if compiler() is None:
        told = "there is no C++ compiler on PATH (g++ or clang++): nothing of the C++ core is checked here"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)


def build(source, into, *options, include=None):
    """Return the path of what a source file was built to."""
    needs_compiler()
    digest = hashlib.sha256((source.read_text() + repr(options)).encode()).hexdigest()[:12]
    made = into / f"{source.stem}-{digest}"
    folders = ["-I", str(source.parent if include is None else include)]
    command = [compiler(), *WARNINGS, *folders, *options, str(source), "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return made


class Event(ctypes.Structure):
    """The event of the C functions."""

    _fields_ = [
        ("start_s", ctypes.c_double),
        ("stop_s", ctypes.c_double),
        ("label", ctypes.c_int32),
        ("score", ctypes.c_double),
        ("decided_s", ctypes.c_double),
        ("is_final", ctypes.c_int32),
    ]


ON_EVENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Event))


SCORE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_float)
)


class Shim:
    """A detector behind its C functions, in memory of Python's; ``score`` runs its net, where one is given."""

    def __init__(self, folder, into, *, name="detector", score=None):
        shared = build(folder / f"{name}_c.cpp", into, "-O1", "-shared", "-fPIC", "-fno-exceptions", "-fno-rtti")
        self.library = ctypes.CDLL(str(shared))
        self.name = name
        kinds = {"state_bytes": ctypes.c_size_t, "elsewhere_bytes": ctypes.c_size_t}
        kinds |= {"make": ctypes.c_void_p, "make_elsewhere": ctypes.c_void_p}
        for function, kind in kinds.items():
            self[function].restype = kind
        for function in ("stream_name", "class_name", "status_name"):
            self[function].restype = ctypes.c_char_p
        self._score = SCORE(score or (lambda *_: None))
        count = self["elsewhere_bytes"]() if score else self.bytes
        self.memory = ctypes.create_string_buffer(count + 64)
        start = ctypes.c_void_p(ctypes.addressof(self.memory) + -ctypes.addressof(self.memory) % 64)
        if score:
            self.detector = ctypes.c_void_p(self["make_elsewhere"](start, ctypes.c_size_t(count), self._score, None))
        else:
            self.detector = ctypes.c_void_p(self["make"](start, ctypes.c_size_t(count)))
        self.updates = []
        self._on_event = ON_EVENT(self._take)

    def __getitem__(self, function):
        return getattr(self.library, f"{self.name}_{function}")

    @property
    def bytes(self):
        return self["state_bytes"]()

    def _take(self, _context, event):
        one = event.contents
        label = self["class_name"](one.label).decode()
        self.updates.append((one.start_s, one.stop_s, label, one.score, one.decided_s, bool(one.is_final)))

    def push(self, stream, time_s, values):
        """Return in words what became of a sample."""
        given = (ctypes.c_float * len(values))(*values)
        status = self["push"](self.detector, stream, ctypes.c_double(time_s), given, self._on_event, None)
        return self["status_name"](status).decode()

    def reset(self, wrist=0, crown=0, sound_rate_hz=16_000):
        """Forget everything."""
        self["reset"](self.detector, wrist, crown, sound_rate_hz)

    def flush(self):
        """Return all updates so far, those of the end too."""
        self["flush"](self.detector, self._on_event, None)
        updates, self.updates = self.updates, []
        return updates


def shipped(name):
    """Return what ships under a name, or skip where it was not trained yet."""
    if not (shelf.WEIGHTS / name).is_dir():
        pytest.skip(f"{name} has no weights yet")
    return RECIPES[name].default()


def same_events(found, wanted):
    """Assert that two tables hold the same events, times to the last bit; a score may differ as nets may."""
    pd.testing.assert_frame_equal(found.drop(columns="score"), wanted.drop(columns="score"), check_exact=True)
    np.testing.assert_allclose(found["score"], wanted["score"], rtol=0, atol=EXACT)


def stages_of(detector):
    return [detector.gate, detector.confirm] if isinstance(detector, Cascade) else [detector]


def drawn(net, *, seed=1):
    """Return a net in evaluation mode with random weights, offsets and statistics, all of a size that shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, one in [*net.named_parameters(), *net.named_buffers()]:
            if one.is_floating_point() and name.split(".")[-1] != "temperature":
                drawn_now = torch.rand(one.shape, generator=generator)
                positive = name.endswith(("running_var", "scale")) or (one.ndim == 1 and name.endswith("weight"))
                one.copy_(drawn_now + 0.5 if positive else (drawn_now - 0.5) * 2 / max(1, one[0].numel()) ** 0.5 * 2)
    return net.eval()


def runtime_text(name):
    return _runtime(f"{name}.hpp")


def in_the_wrists_frame(classes=("a", "none")):
    """Return an untrained detector with filters of all kinds, which needs both sides."""
    source = Source("accel", ("x", "y", "z"), "g", 0.1)
    filters = (Filter("lowpass", (12.0,), 4), Moving("std", 0.2), Moving("max", 0.1))
    conditioning = Conditioning((source,), (Frame("wrist"), Resample(50.0), *filters))
    net = models.build("cnn", channels=conditioning.channels, classes=classes, samples=40, hop=8)
    return Detector(DetectorSpec(conditioning, 40, 8, net.classes, EventDecoder(), net.architecture), net)
