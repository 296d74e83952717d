"""The files of a detector in C++."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import wristkit
from wristkit.detector import Cascade, Detector
from wristkit.export.cpp.net import NetText, why_not_writable, write_net
from wristkit.export.cpp.spec import (
    cascade_streams,
    names,
    streams_of,
    why_not_in_cpp,
    write_policy,
    write_spec,
)
from wristkit.export.cpp.text import comment
from wristkit.export.harder import harder
from wristkit.export.narrow import Narrow, narrowed
from wristkit.export.parity import SHIPPED_BOUND, trial_windows
from wristkit.export.stages import heard_by, stages_of
from wristkit.models import weights_sha256
from wristkit.recording import Recording
from wristkit.store import atomic_write

Weights = Literal["float32", "int8"]
_PROGRAMS = ("replay.cpp", "reading.hpp", "two_threads.cpp", "CMakeLists.txt")
_SHARED = ("base", "ring", "condition", "sound", "net", "decoder", "detector")
# Of C++20 and of C, as the name is a namespace and part of C functions; and the file that lies beside the header.
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
        compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
        default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
        int long main mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public
        reading register reinterpret_cast requires restrict return short signed sizeof static static_assert
        static_cast std struct switch template this thread_local throw true try typedef typeid typename union unsigned
        using virtual void volatile wchar_t while xor xor_eq
        """,
    )
)


def write_cpp(
    detector_or_cascade: Detector | Cascade,
    folder: str | Path,
    *,
    weights: Weights = "float32",
    recordings: Sequence[Recording] | None = None,
    name: str = "detector",
) -> Path:
    """Write a detector as one C++17 header that depends on nothing, and return the folder.

    The header takes samples one by one, from raw streams to events: conditioning, net, decoder and, of a cascade, its
    policy, without heap or exceptions and in fixed memory. The net goes on from column to column; no window is ever
    computed twice. Beside it lie C functions for Swift, a CMake file, a program that replays a recording and one with
    two threads and a ring between them. Files of the same names are replaced.

    Parameters
    ----------
    detector_or_cascade
        Whose nets stream: ``wristkit.models.why_not_streamable`` says why one does not.
    folder
        Made where there is none.
    weights
        ``"float32"``, bit for bit, or ``"int8"``: convolutions with one scale for each output, a quarter of the size;
        what is small, or would move a probability by more than 5e-3, stays float32.
    recordings
        On which int8 is rounded and judged; without them seeded random windows are used.
    name
        Of the header, the namespace and the C functions: letters, digits and underscores.

    Raises
    ------
    ValueError
        With every reason, where a net or its conditioning cannot be written.
    """
    if weights not in get_args(Weights):
        raise ValueError(f"weights is {weights!r}, expected one of {get_args(Weights)}")
    if reasons := why_not_cpp(detector_or_cascade):
        raise ValueError(f"the detector cannot be written as C++: {'; '.join(reasons)}")
    nets = {stage: Narrow(one.model) for stage, one in stages_of(detector_or_cascade).items()}
    if weights == "int8":
        nets = {stage: _rounded(one, recordings) for stage, one in stages_of(detector_or_cascade).items()}
    return write_nets(detector_or_cascade, folder, nets=nets, name=name)


def _rounded(detector: Detector, recordings: Sequence[Recording] | None) -> Narrow:
    held = None if recordings is None else heard_by(detector, recordings)
    values = harder(detector, trial_windows(detector, held).values)
    return narrowed(detector.model, values, bound=SHIPPED_BOUND["int8"])


def write_nets(
    detector_or_cascade: Detector | Cascade, folder: str | Path, *, nets: Mapping[str, Narrow], name: str
) -> Path:
    """Write a detector that can be written, each stage with the weights that it is given."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, flags=re.ASCII) or name in _KEYWORDS:
        raise ValueError(f"name is {name!r}, expected letters, digits and underscores, such as 'double_tap'")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{name}.hpp", _header(detector_or_cascade, name, nets))
    title = title_of(detector_or_cascade)
    _write(folder / f"{name}_c.h", _filled("shim.h", name, title))
    _write(folder / f"{name}_c.cpp", _filled("shim.cpp", name, title))
    for program in _PROGRAMS:
        _write(folder / program, _filled(program, name, title))
    return folder


def why_not_cpp(detector_or_cascade: Detector | Cascade) -> tuple[str, ...]:
    """Return the reasons why a detector cannot be written as C++; none means it can."""
    reasons = []
    for stage, one in stages_of(detector_or_cascade).items():
        channels = len(one.spec.conditioning.channels)
        found = why_not_writable(one.model, channels=channels, samples=one.spec.length)
        reasons += [f"{stage}{': ' if stage else ''}{reason}" for reason in found]
        reasons += why_not_in_cpp(one.spec.conditioning)
    return tuple(reasons)


def _header(detector_or_cascade: Detector | Cascade, name: str, nets: Mapping[str, Narrow]) -> str:
    stages = stages_of(detector_or_cascade)
    parts = [_opening(detector_or_cascade, name, nets), *(_runtime(f"{part}.hpp") for part in _SHARED)]
    if isinstance(detector_or_cascade, Cascade):
        cascade = detector_or_cascade
        parts.append(_runtime("policy.hpp"))
        for stage, one in stages.items():
            text = _stage(one, nets[stage], max_wait_s=cascade.policy.max_wait_s)
            parts.append(f"namespace {stage} {{\n\n{text}\n}}  // namespace {stage}\n")
        parts += [write_policy(cascade), _runtime("cascade.hpp"), names(cascade_streams(cascade), cascade.classes)]
    else:
        spec = detector_or_cascade.spec
        parts.append(_stage(detector_or_cascade, nets[""], max_wait_s=spec.max_wait_s))
        parts += [_runtime("alone.hpp"), names(streams_of(spec.conditioning), spec.classes)]
    parts += [_windows(stages), _STATUS, f"}}  // namespace {name}\n\n#endif\n"]
    return "\n".join(parts)


def _opening(detector_or_cascade: Detector | Cascade, name: str, nets: Mapping[str, Narrow]) -> str:
    stages = stages_of(detector_or_cascade)
    hashes = [f"// {stage or 'net'}: spec {one.spec.sha256}" for stage, one in stages.items()]
    hashes += [f"// {stage or 'net'}: weights {weights_sha256(one.model)}" for stage, one in stages.items()]
    hashes += [f"// {stage or 'net'}: int8 in {len(one.layers)} layers" for stage, one in nets.items() if one.layers]
    return _OPENING.format(
        title=title_of(detector_or_cascade),
        name=name,
        guard=f"{name.upper()}_HPP",
        hashes="\n".join(hashes),
        latency="\n".join(_latency(stage, one) for stage, one in stages.items()),
        version=wristkit.__version__,
    )


def title_of(detector_or_cascade: Detector | Cascade) -> str:
    """Return a detector in one line of ASCII."""
    return comment(repr(detector_or_cascade))


def _latency(stage: str, detector: Detector) -> str:
    spec = detector.spec
    return (
        f"// {stage or 'Latency'}: a window of {spec.length_s:g} s, every {spec.hop_s:g} s; its score is known "
        f"{spec.conditioning.delay_s:.4g} s after its last grid sample; no sample at its end is left out."
    )


def _stage(detector: Detector, one: Narrow, *, max_wait_s: float | None) -> str:
    spec = detector.spec
    channels = len(spec.conditioning.channels)
    net: NetText = write_net(one.model, channels=channels, samples=spec.length, whole=one.layers)
    return "\n".join([write_spec(spec, max_wait_s=max_wait_s), net.layers, net.net])


def _windows(stages: Mapping[str, Detector]) -> str:
    """Return what gives the logits of one window of a stage."""
    specs = [one.spec for one in stages.values()]
    spaces = [f"{stage}::" if stage else "" for stage in stages]
    values = ", ".join(str(len(one.conditioning.channels) * one.length) for one in specs)
    cases = [
        f"  if (stage == {place}) {{\n    window_of<{space}Spec, {space}Net>(window, logits);\n  }}"
        for place, space in enumerate(spaces)
    ]
    return (
        f"constexpr int kStages = {len(specs)};\n"
        f"constexpr int kWindowValues[] = {{{values}}};\n"
        f"constexpr int kOutputs[] = {{{', '.join(str(len(one.classes)) for one in specs)}}};\n\n"
        "/// Give the logits of one window [channels][samples] of a stage, conditioned, by itself.\n"
        "inline void logits_of_window(int stage, const float* window, float* logits) noexcept {\n"
        + "\n".join(cases)
        + "\n}\n"
    )


@cache
def _runtime(name: str) -> str:
    """Return a part of the text that is the same in every header."""
    return files("wristkit.export.cpp").joinpath("runtime", name).read_text(encoding="utf-8")


def _filled(template: str, name: str, title: str) -> str:
    text = _runtime(template).replace("@NAME@", name).replace("@GUARD@", name.upper())
    return text.replace("@TITLE@", title)


def _write(path: Path, text: str) -> None:
    atomic_write(path, lambda file: file.write(text.encode()))


_OPENING = """// {title}
//
// Generated by wristkit {version}: a detector from raw samples to events, in C++17 and the standard library's headers
// alone. No heap, no exceptions, fixed memory. Times are seconds from the start of the recording, in double precision.
//
//     {name}::Detector detector;
//     detector.push(0, time_s, values, [](const {name}::EventUpdate& update) {{ ... }});
//
{latency}
{hashes}
#ifndef {guard}
#define {guard}

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>

namespace {name} {{
"""
_STATUS = """/// Return why a sample was not taken, for people.
inline const char* name_of(Status status) noexcept {
  constexpr const char* kNames[] = {"taken",          "unknown stream", "not finite",    "implausible",
                                    "not seconds",    "not increasing", "late",          "sides unknown",
                                    "rate unknown",   "scores not finite"};
  return kNames[static_cast<std::size_t>(status)];
}
"""
