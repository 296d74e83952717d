"""Cascades of hand-made stages, whose scores say how loud it is, and recordings with moving and sounding parts."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from wristkit.condition import Conditioning
from wristkit.detector import Cascade, Detector, DetectorSpec, Policy
from wristkit.events import EventDecoder, event_table
from wristkit.models import build
from wristkit.recording import Recording, Stream, label_table

MOVES = ((4.0, 8.0), (12.0, 15.0), (20.0, 24.0))  # in the last of which nothing is heard
SOUNDS = ((5.0, 8.0), (12.5, 15.5), (28.0, 30.0))
CLASSES = ("none", "wash")


class Loudness(nn.Module):
    """How much the channels move from sample to sample, or how high they are, as the chance of the second class."""

    def __init__(self, channels, *, kernel, at, gain):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel, groups=channels, bias=False)
        taps = torch.tensor([1.0, -1.0]) if kernel == 2 else torch.ones(1)
        self.conv.weight.data = taps.expand(channels, 1, kernel).clone()
        self.kernel, self.at, self.gain = kernel, at, gain

    def forward(self, x):
        moved = self.conv(x)
        level = (moved.abs() if self.kernel == 2 else moved).mean((1, 2))
        return torch.stack([torch.zeros_like(level), self.gain * (level - self.at)], dim=1)


def recording(seed=0, *, span_s=34.0, sound=True, drop=(), rate_hz=100.0):
    """Motion that is wild in MOVES, sound that is loud in SOUNDS, truth where both are; accel lost in ``drop``."""
    rng = np.random.default_rng(seed)
    time_s = 0.01 + np.cumsum(rng.uniform(0.7, 1.3, int((span_s - 0.1) * rate_hz)) / rate_hz)
    time_s = time_s[~inside(time_s, drop)]
    loud = 0.02 + 1.0 * inside(time_s, MOVES)
    streams = [Stream.measured("accel", time_s, rng.normal(size=(len(time_s), 3)) * loud[:, None])]
    if sound:
        clock = np.arange(int(span_s * 16_000)) / 16_000
        heard = (rng.normal(size=len(clock)) * (1e-3 + 0.2 * inside(clock, SOUNDS))).clip(-1, 1)
        streams.append(Stream.uniform("audio", heard, rate_hz=16_000, channels=("mono",)))
    truth = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(MOVES[:2], SOUNDS[:2], strict=True)]
    return Recording.of(
        streams,
        labels=label_table([(start_s, stop_s, "wash", "truth", "made") for start_s, stop_s in truth]),
        labelled={"truth": [(0.0, span_s)]},
        subject=f"s{seed}",
        wrist="right",
        crown="left",
    )


def inside(time_s, spans):
    return (
        np.any([(time_s >= start_s) & (time_s < stop_s) for start_s, stop_s in spans], axis=0)
        if spans
        else (np.zeros(len(time_s), dtype=bool))
    )


def stage(of, *, streams, length, hop, model=None, rate_hz=50.0, **spec):
    conditioning = Conditioning.of([of], streams=streams, rate_hz=rate_hz)
    channels = len(conditioning.channels)
    loudness = (
        Loudness(channels, kernel=2, at=0.25, gain=25.0)
        if "accel" in streams
        else (Loudness(channels, kernel=1, at=-7.0, gain=1.5))
    )
    spec = {"classes": CLASSES, "decoder": EventDecoder(smooth=2), **spec}
    return Detector(
        DetectorSpec(conditioning=conditioning, length=length, hop=hop, architecture=None, **spec), model or loudness
    )


def gate(of, **spec):
    return stage(of, streams=("accel",), length=25, hop=10, **spec)


def listener(of, **spec):
    return stage(of, streams=("mel",), length=20, hop=10, **spec)


def cascade(of, **policy):
    fields = {"confirm_timeout_s": 2.0, "warm_up_s": 0.3, "cool_s": 0.5, "rejected_s": 0.5, **policy}
    return Cascade(gate(of), listener(of), Policy(**fields))


def small_stage(of, *, streams, model="tcn", **spec):
    """A detector of one of wristkit's own nets with fixed weights, whose scores on ``of`` cover the whole range."""
    conditioning = Conditioning.of([of], streams=streams, rate_hz=50)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = build(model, channels=conditioning.channels, classes=CLASSES, samples=50, hop=10, width=8).eval()
    fields = {"length": 50, "hop": 10, "classes": CLASSES, "decoder": EventDecoder(smooth=2), **spec}
    detector = Detector(DetectorSpec(conditioning=conditioning, architecture=net.architecture, **fields), net)
    with torch.no_grad():
        logits = net(torch.from_numpy(detector.condition(of).values))
        apart = logits[:, 1] - logits[:, 0]
        scale = 12 / (apart.max() - apart.min())
        net.head.weight *= scale
        net.head.bias.copy_(net.head.bias * scale - torch.tensor([0.0, scale * (apart.max() + apart.min()) / 2]))
    return detector


def of_small_nets(of, *, streams=("accel", "mel"), **policy):
    """A motion gate and a confirmer of two branches, motion and sound: learned fusion."""
    confirm = small_stage(of, streams=streams, model="branches")
    fields = {"confirm_timeout_s": 2.0, "warm_up_s": 0.3, "cool_s": 0.3, "rejected_s": 0.3, **policy}
    return Cascade(small_stage(of, streams=("accel",)), confirm, Policy(**fields))


def pieces_of(of, cuts):
    """Return packets of a recording cut at these rows of each stream, one of each stream at a time."""
    pieces = {}
    for name, stream in of.streams.items():
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts.get(name, [])), len(stream)]
        time_s = stream.time
        pieces[name] = [(time_s[a:b], stream.values[a:b]) for a, b in pairwise(edges)]
    most = max(len(parts) for parts in pieces.values())
    return [{name: parts[k] for name, parts in pieces.items() if k < len(parts)} for k in range(most)]


def bursts(of, *, packet_s=1.0, delays_s=None):
    """Return packets in the order in which a device hands them over: when each ends, and its stream's delay later."""
    found = []
    for name, stream in of.streams.items():
        time_s = stream.time
        edges = np.searchsorted(time_s, np.arange(0.0, time_s[-1] + packet_s, packet_s))
        for a, b in pairwise([*np.unique(edges).tolist(), len(time_s)]):
            if b > a:
                at_s = time_s[b - 1] + (delays_s or {}).get(name, 0.0)
                found.append((at_s, name, (time_s[a:b], stream.values[a:b])))
    return [{name: packet} for _, name, packet in sorted(found, key=lambda one: one[:2])]


def push_all(detector, packets, **sides):
    detector.reset(**sides)
    return [update for packet in packets for update in detector.push(packet)] + detector.flush()


def final_table(updates):
    return event_table(update.event for update in updates if update.final)
