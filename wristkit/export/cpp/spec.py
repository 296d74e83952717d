"""What a detector's specification is in C++: constants, structs of them, and no code."""

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from wristkit.audio.mel import FLOOR, WINDOW, polyphase
from wristkit.condition import Conditioning, Source
from wristkit.condition.sound import MEL, SOUND
from wristkit.detector import Cascade, Detector, Policy
from wristkit.detector.spec import DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp.text import array, camel, constant, double, single, struct, text, wrapped
from wristkit.export.stages import stages_of
from wristkit.filters import CausalFilter, MovingCoefficients
from wristkit.recording import Recording
from wristkit.signals.offline import ATTITUDES
from wristkit.signals.units import PLAUSIBLE

# Those that a microphone of a watch or a phone can be asked for. Of 44.1 kHz the low-pass has 32,635 taps: 130 kB in
# the header of every detector that hears. Microphone.swift asks for 16 kHz, whatever the hardware has.
SOUND_RATES_HZ = (16_000, 24_000, 32_000, 48_000)
_SAME_RATE = 0.01
AHEAD_S, MOST_AHEAD = 1.25, 256
_PRE_ROLL_HZ: Mapping[str, float] = {SOUND: 16_000.0}
_MOTION_HZ = 800.0


class StreamText(NamedTuple):
    """What a detector is pushed: a stream's name, its channels and their unit."""

    name: str
    channels: tuple[str, ...]
    unit: str


def why_not_in_cpp(conditioning: Conditioning) -> tuple[str, ...]:
    """Return the reasons why a conditioning cannot be written; none means it can."""
    longest = max((one.longest_step_s for one in conditioning.sources), default=0.0)
    if conditioning.rate_hz * longest >= 2**31:
        return (f"a step of {longest:g} s is {conditioning.rate_hz * longest:g} samples of the grid",)
    return ()


def is_heard_in_cpp(detector_or_cascade: Detector | Cascade, recording: Recording) -> bool:
    """Return whether the core can take a recording's sound, or has no ear for it."""
    hears = any(SOUND in one.spec.conditioning.inputs for one in stages_of(detector_or_cascade).values())
    if not hears or SOUND not in recording.streams:
        return True
    rate_hz = recording[SOUND].rate_hz
    return any(abs(rate_hz / one - 1) <= _SAME_RATE for one in SOUND_RATES_HZ)


def streams_of(conditioning: Conditioning) -> tuple[StreamText, ...]:
    """Return what packets come under, in the order of the sources."""
    by_name = {source.name: source for source in conditioning.sources}
    return tuple(
        StreamText(SOUND, (SOUND,), "1")
        if name == SOUND and source == MEL
        else StreamText(name, by_name[source].channels, by_name[source].unit)
        for name, source in conditioning.inputs.items()
    )


def write_spec(spec: DetectorSpec, *, max_wait_s: float | None) -> str:
    """Return the struct ``Spec`` and the structs that it names."""
    conditioning = spec.conditioning
    filters = [_filter(f"Filter{place}", one, conditioning.rate_hz) for place, one in enumerate(conditioning.filters)]
    kinds = [f"Source{place}{camel(one.name)}" for place, one in enumerate(conditioning.sources)]
    sources = [_source(kind, source, conditioning) for kind, source in zip(kinds, conditioning.sources, strict=True)]
    streams = streams_of(conditioning)
    members = [
        _double("kRateHz", conditioning.rate_hz),
        _int("kLength", spec.length),
        _int("kHop", spec.hop),
        _double("kHopS", spec.hop_s),
        _int("kChannels", len(conditioning.channels)),
        _int("kClasses", len(spec.classes)),
        _double("kMaxWaitS", np.inf if max_wait_s is None else max_wait_s),
        _int("kAhead", _ahead(conditioning, max_wait_s)),
        f"using Sources = Streams<{', '.join(kinds)}>;",
        _chain(conditioning),
        *decoder_constants(spec.decoder, spec.classes),
        *stream_constants(streams),
    ]
    return "\n".join([*filters, *sources, struct("Spec", members)])


def decoder_constants(decoder: EventDecoder, classes: tuple[str, ...]) -> list[str]:
    """Return what a decoder is, for classes in this order."""
    return [
        _int("kBackground", classes.index(decoder.background) if decoder.background in classes else -1),
        _double("kHigh", decoder.high),
        _double("kLow", decoder.low),
        _int("kSmooth", decoder.smooth),
        _double("kMinLengthS", decoder.min_length_s),
        _double("kMergeS", decoder.merge_s),
        _double("kRefractoryS", decoder.refractory_s),
        _double("kRefractoryAnyS", decoder.refractory_any_s),
    ]


def stream_constants(streams: tuple[StreamText, ...]) -> list[str]:
    """Return how many streams there are and how many numbers each has."""
    widths = [len(one.channels) for one in streams]
    return [
        _int("kStreams", len(streams)),
        _int("kMostValues", max(widths)),
        f"static constexpr int kStreamWidths[{len(streams)}] = {array(widths, kind='int')};",
    ]


def names(streams: tuple[StreamText, ...], classes: tuple[str, ...]) -> str:
    """Return the names of streams, their channels and units, and of what events can be."""
    most = max(len(one.channels) for one in streams)
    channels = ",\n    ".join("{" + ", ".join(map(text, one.channels)) + "}" for one in streams)
    return wrapped(
        f"constexpr const char* kStreamNames[] = {{{', '.join(text(one.name) for one in streams)}}};\n"
        f"constexpr const char* kUnits[] = {{{', '.join(text(one.unit) for one in streams)}}};\n"
        f"constexpr bool kIsSound[] = {{{', '.join(str(one.name == SOUND).lower() for one in streams)}}};\n"
        f"constexpr const char* kChannelNames[{len(streams)}][{most}] = {{\n    {channels}}};\n"
        f"constexpr const char* kClassNames[] = {{{', '.join(map(text, classes))}}};\n"
    )


def write_policy(cascade: Cascade) -> str:
    """Return the structs ``Policy``, ``GateRated`` and ``ConfirmRated`` of a cascade."""
    policy, streams = cascade.policy, cascade_streams(cascade)
    order = [one.name for one in streams]
    woken = [name not in {*cascade.gate_streams, *policy.always_on} for name in order]
    held = [
        place
        for place, name in enumerate(cascade.confirm_streams)
        if policy.pre_roll_s > 0 and not woken[order.index(name)]
    ]
    kept = [
        f"PreRoll<{len(streams[order.index(name)].channels)}, {_held_samples(name, policy.pre_roll_s)}>"
        for name in (cascade.confirm_streams[place] for place in held)
    ]
    members = [
        *policy_constants(policy),
        *stream_constants(streams),
        _places("kGatePlaces", [_place(cascade.gate_streams, name) for name in order]),
        _places("kConfirmPlaces", [_place(cascade.confirm_streams, name) for name in order]),
        f"static constexpr bool kIsWoken[] = {{{', '.join(str(one).lower() for one in woken)}}};",
        _int("kPreRollStreams", len(held)),
        _places("kPreRollPlaces", held or [-1]),
        f"using PreRolls = std::tuple<{', '.join(kept)}>;",
    ]
    rated = [
        _rated("GateRated", "gate", cascade.gate, cascade.gate_classes, cascade),
        _rated("ConfirmRated", "confirm", cascade.confirm, cascade.confirm_classes, cascade),
    ]
    return "\n".join([struct("Policy", members), *rated])


def policy_constants(policy: Policy) -> list[str]:
    """Return the numbers of a policy; what it does not do is never reached."""
    named = {
        "kGateHigh": policy.gate_high,
        "kGateLow": policy.gate_low,
        "kArmS": policy.arm_s,
        "kConfirmHigh": policy.confirm_high,
        "kConfirmLow": policy.confirm_low,
        "kSecondChance": policy.second_chance,
        "kSecondChanceS": policy.second_chance_s,
        "kGateWeight": policy.gate_weight,
        "kGateAgrees": policy.gate_high if policy.gate_agrees else 0.0,
        "kGateAlone": policy.gate_alone,
        "kAloneS": policy.alone_s,
        "kPreRollS": policy.pre_roll_s,
        "kWarmUpS": policy.warm_up_s,
        "kConfirmTimeoutS": policy.confirm_timeout_s,
        "kGateReleaseS": policy.gate_release_s,
        "kReleaseS": policy.release_s,
        "kLongestS": policy.longest_s,
        "kCoolS": policy.cool_s,
        "kRejectedS": policy.rejected_s,
        "kMaxWaitS": policy.max_wait_s,
    }
    numbers = [_double(name, np.inf if value is None else value) for name, value in named.items()]
    return [*numbers, f"static constexpr bool kSpanOfGate = {str(policy.span_of == 'gate').lower()};"]


def cascade_streams(cascade: Cascade) -> tuple[StreamText, ...]:
    """Return the streams of both stages, the gate's first."""
    both = (*streams_of(cascade.gate.spec.conditioning), *streams_of(cascade.confirm.spec.conditioning))
    by_name = {one.name: one for one in both}
    return tuple(by_name[name] for name in cascade.streams)


def _rated(name: str, kind: str, stage: Detector, wanted: tuple[str, ...], cascade: Cascade) -> str:
    alone = cascade.policy.label is not None
    labels = [0 if alone or one not in cascade.classes else cascade.classes.index(one) for one in wanted]
    return struct(
        name,
        [
            f"static constexpr Kind kKind = Kind::{kind};",
            _double("kHopS", stage.spec.hop_s),
            _int("kSmooth", stage.spec.decoder.smooth),
            _int("kWanted", len(wanted)),
            _places("kColumns", [stage.spec.classes.index(one) for one in wanted]),
            _places("kLabels", labels),
        ],
    )


def _held_samples(name: str, pre_roll_s: float) -> int:
    return int(np.ceil(pre_roll_s * _PRE_ROLL_HZ.get(name, _MOTION_HZ))) + 1


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _ahead(conditioning: Conditioning, max_wait_s: float | None) -> int:
    """Return how many conditioned samples of one stream may wait for those of another."""
    if len(conditioning.sources) == 1:
        return 2
    return min(MOST_AHEAD, int(np.ceil(max(AHEAD_S, max_wait_s or 0.0) * conditioning.rate_hz)) + 1)


def _source(kind: str, source: Source, conditioning: Conditioning) -> str:
    low, high = PLAUSIBLE[source.name]
    is_heard = conditioning.mel is not None and source.name == MEL
    turns = _turns(source, conditioning)
    members = [
        _int("kChannels", len(source.channels)),
        f"static constexpr bool kIsSound = {str(is_heard).lower()};",
        f"static constexpr bool kIsAttitude = {str(source.name in ATTITUDES).lower()};",
        f"static constexpr bool kIsTurned = {str(bool(turns)).lower()};",
        _double("kLongestStepS", source.longest_step_s),
        f"static constexpr float kLeast = {single(low)};",
        f"static constexpr float kMost = {single(high)};",
        *turns,
    ]
    front = ""
    if is_heard:
        front = _mel(conditioning)
        members.append("using FrontEnd = LogMel;")
    return front + struct(kind, members)


def _turns(source: Source, conditioning: Conditioning) -> list[str]:
    """Return for each way of wearing a watch which channel becomes which, and its sign; nothing where none changes."""
    count, rows = len(source.channels), []
    for wrist, crown in product(("left", "right"), repeat=2):
        turn = conditioning.frame.turn(source.name, source.channels, wrist, crown)  # type: ignore[arg-type]
        if turn is None:
            return []
        turned = turn(np.eye(count))
        from_ = np.abs(turned).argmax(axis=0)
        pairs = [f"{{{place}, {double(turned[place, one])}}}" for one, place in enumerate(from_.tolist())]
        rows.append("{" + ", ".join(pairs) + "}")
    return [f"static constexpr Turned kTurns[4][{count}] = {{\n    " + ",\n    ".join(rows) + "};"]


def _mel(conditioning: Conditioning) -> str:
    """Return the constants of the log-mel front end."""
    params = conditioning.mel
    if params is None:
        raise ValueError("there is no log-mel front end; give a conditioning that hears")
    made = params.coefficients()
    used = [np.flatnonzero(column) for column in made.matrix.T]
    weights = np.concatenate([made.matrix[rows, band] for band, rows in enumerate(used)])
    quarter = np.cos(2 * np.pi * np.arange(WINDOW // 4 + 1) / WINDOW)
    quarter[-1] = 0.0
    rates, taps = [], []
    for rate_hz in SOUND_RATES_HZ:
        ratio = polyphase(float(rate_hz))
        name = f"kTaps{rate_hz}"
        taps.append(constant("double", name, ratio.taps[len(ratio.taps) // 2 :]))
        rates.append(f"{{{rate_hz}, {ratio.up}, {ratio.down}, {ratio.half}, {name}}}")
    members = [
        _int("kBands", params.bands),
        _double("kFloor", FLOOR),
        _double("kScale", float(made.window[WINDOW // 2])),
        constant("double", "kQuarter", quarter),
        constant("int", "kFirstBins", [int(rows[0]) + made.first_bin for rows in used]),
        constant("int", "kBins", [len(rows) for rows in used]),
        constant("double", "kWeights", weights),
        *taps,
        f"static constexpr Polyphase kRates[{len(rates)}] = {{{', '.join(rates)}}};",
    ]
    return struct("LogMel", members) + "\n"


def _filter(name: str, filter_: CausalFilter, rate_hz: float) -> str:
    made = filter_.coefficients(rate_hz)
    if isinstance(made, MovingCoefficients):
        kind = f"static constexpr Statistic kStatistic = Statistic::{made.kind};"
        return struct(name, [kind, _int("kLength", made.length), _int("kDelay", made.delay)])
    return struct(
        name,
        [
            _int("kSections", len(made.sos)),
            _int("kDelay", made.delay),
            constant("double", "kFactors", made.sos),
            constant("double", "kSettled", made.settled),
        ],
    )


def _chain(conditioning: Conditioning) -> str:
    """Return a template of the filters one after the other."""
    made = [one.coefficients(conditioning.rate_hz) for one in conditioning.filters]
    kinds = ["Moving" if isinstance(one, MovingCoefficients) else "Sections" for one in made]
    first, values = ("first", "values") if made else ("", "")
    lines = [
        "template <int Channels>",
        "struct Filters {",
        f"  static constexpr int kDelay = {sum(one.delay for one in made)};",
        *(f"  {kind}<Filter{place}, Channels> filter_{place};" for place, kind in enumerate(kinds)),
        f"  void start(double (&{first})[Channels]) noexcept {{",
        *(f"    filter_{place}.start(first);" for place in range(len(made))),
        "  }",
        f"  void push(double (&{values})[Channels]) noexcept {{",
        *(f"    filter_{place}.push(values);" for place in range(len(made))),
        "  }",
        "};",
    ]
    return "\n".join(lines)


def _places(name: str, places: list[int]) -> str:
    return f"static constexpr int {name}[] = {array(places, kind='int')};"


def _int(name: str, value: int) -> str:
    return f"static constexpr int {name} = {value};"


def _double(name: str, value: float) -> str:
    return f"static constexpr double {name} = {double(value)};"
