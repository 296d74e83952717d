"""What the C++ core costs: beside ONNX Runtime on whole windows, per sample, and over a minute with two threads."""

import re
import statistics
import subprocess
import time

import numpy as np
import pytest

from tests.compiled import build, needs_compiler
from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import write_cpp
from wristkit.filters import Filter
from wristkit.models import build as build_net
from wristkit.models import fold
from wristkit.recipes import double_tap, handwashing

pytestmark = pytest.mark.benchmark
SAMPLES, HOP, WIDTH = 200, 4, 56
ROUNDS, DECISIONS, WINDOWS = 7, 20_000, 2_000
FAST = ("-O3", "-march=native")
MEASURE = """#include "detector.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>

using namespace detector;

double cpu_s() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

float noise() {
  static std::uint32_t state = 1;
  state = 1664525U * state + 1013904223U;
  return static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
}

static float g_values[4096][Spec::kChannels];
static float g_window[Spec::kChannels * Spec::kLength];
static Net g_net;
static Detector g_detector;
static volatile float g_sum = 0.0F;

int main(int, char** words) {
  const int count = std::atoi(words[2]);
  for (auto& column : g_values) {
    for (float& value : column) {
      value = noise();
    }
  }
  for (float& value : g_window) {
    value = noise();
  }
  float logits[Spec::kClasses];
  g_net.reset();
  const double begun_s = cpu_s();
  if (words[1][0] == 's') {
    for (int decision = 0; decision < count; ++decision) {
      for (int sample = 0; sample < Spec::kHop; ++sample) {
        g_net.push(g_values[(decision * Spec::kHop + sample) % 4096]);
      }
      g_net.logits(logits);
      g_sum = g_sum + logits[0];
    }
  } else if (words[1][0] == 'w') {
    for (int window = 0; window < count; ++window) {
      logits_of_window(0, g_window, logits);
      g_sum = g_sum + logits[0];
    }
  } else {
    for (int sample = 0; sample < count; ++sample) {
      for (int stream = 0; stream < Detector::kStreams; ++stream) {
        const float* values = g_values[sample % 4096];
        g_detector.push(stream, 0.01 * sample, values, [](const EventUpdate&) { g_sum = g_sum + 1.0F; });
      }
    }
  }
  std::printf("%.9g\\n", (cpu_s() - begun_s) / count);
}
"""


@pytest.fixture(scope="module")
def detector():
    """A net of 15 thousand parameters over two seconds of motion at 100 Hz, every 40 ms."""
    sources = (Source("accel", ("x", "y", "z"), "g", 0.1), Source("gyro", ("x", "y", "z"), "rad/s", 0.1))
    conditioning = Conditioning(sources, (Frame(), Resample(100.0), Filter("highpass", (0.5,), 2)))
    channels, classes = conditioning.channels, ("tap", "none")
    net = fold(build_net("tcn", channels=channels, classes=classes, samples=SAMPLES, hop=HOP, width=WIDTH))
    return Detector(DetectorSpec(conditioning, SAMPLES, HOP, classes, EventDecoder(), net.architecture), net)


@pytest.fixture(scope="module")
def measured(detector, tmp_path_factory):
    """Return a function (what, count, options) to CPU seconds each, of this detector in C++."""
    needs_compiler()
    folder = write_cpp(detector, tmp_path_factory.mktemp("cpp"))
    source = folder / "measure.cpp"
    source.write_text(MEASURE)

    def measure(what, count, options=FAST):
        program = build(source, folder, *options)
        return float(subprocess.run([program, what, str(count)], capture_output=True, text=True, check=True).stdout)

    measure("stream", 10)
    return measure


@pytest.fixture(scope="module")
def session(detector):
    """A session of ONNX Runtime on the net, one thread."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    from wristkit.export.onnx import onnx_session

    with pytest.MonkeyPatch.context() as patch:  # no function of onnxscript is in this net, so nothing is to be added
        patch.setattr(onnx_proto_utils, "_add_onnxscript_fn", lambda model, _opsets: model)
        made = onnx_session(detector)
    assert not isinstance(made, str), made
    return made


def run_session(session, count):
    window = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6, SAMPLES)).astype(np.float32)
    name = session.get_inputs()[0].name
    before = time.process_time()
    for _ in range(count):
        session.run(None, {name: window})
    return (time.process_time() - before) / count


def test_beside_onnx_runtime(detector, measured, session, benchmark_row):
    parameters = sum(one.numel() for one in detector.model.parameters())
    rounds = [
        (run_session(session, 300), measured("stream", DECISIONS), measured("window", WINDOWS)) for _ in range(ROUNDS)
    ]
    runtime, stream, window = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    note = f"{parameters} parameters, hop {HOP}: {stream:.2f} us a decision, ONNX Runtime {runtime:.1f} us; bound 15x"
    benchmark_row("ONNX Runtime on the window, beside C++ streaming", f"{runtime / stream:.1f}x", note)
    note = f"{window:.1f} us, each window by itself, -O3 -march=native; bound 2x"
    benchmark_row("C++ on the window, beside ONNX Runtime", f"{window / runtime:.2f}x", note)
    assert runtime / stream >= 15
    assert window / runtime <= 2


@pytest.mark.parametrize("options", [FAST, ("-O2",), ("-Os",)], ids=" ".join)
def test_a_sample(measured, benchmark_row, options):
    spent = statistics.median(measured("push", 100_000, options) for _ in range(ROUNDS)) * 1e6
    note = f"{' '.join(options)}: two streams at 100 Hz, raw samples to events; bound 5 us with -O3"
    benchmark_row("C++, a sample of each stream", f"{spent:.2f} us", note)
    assert options != FAST or spent <= 5


@pytest.mark.parametrize("recipe", [double_tap, handwashing], ids=["double_tap", "handwashing"])
def test_a_minute_of_bursts_at_800_hz(recipe, tmp_path, benchmark_row):
    needs_compiler()
    folder = write_cpp(recipe.default(), tmp_path / "written")
    program = build(folder / "two_threads.cpp", tmp_path, "-O2", "-pthread")
    done = subprocess.run([program, "60", "800", "1", "1"], capture_output=True, text=True, check=False)
    found = re.match(r"dropped (\d+), overrun (\d+), late (\d+), .* ([\d.]+) s CPU of 60", done.stdout)
    assert found is not None, done.stdout + done.stderr
    dropped, share = int(found[1]), float(found[4]) / 60
    note = f"{done.stdout.strip()}; bounds 0 dropped, 10 %"
    benchmark_row(f"{recipe.NAME}: inference thread, of real time", f"{100 * share:.3f} %", note)
    assert (done.returncode, dropped) == (0, 0)
    assert share <= 0.10
