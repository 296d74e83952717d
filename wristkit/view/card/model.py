"""What a card says of the detector: the net, what it hears, how it decides, and who taught it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from wristkit.detector import Detector
from wristkit.train import BoostedFit, Fit
from wristkit.view.card.page import Part, table

Model = Detector | Fit


class Taught(NamedTuple):
    """What is wrong with a claim about new people: limits, and what cannot be told."""

    limits: list[str]
    unchecked: list[str]


def model_parts(model: Model | None) -> list[Part]:
    """Return the parts on the detector and on its training."""
    if model is None:
        return []
    parts = [Part("Detector", table((), _rows(model), words=True))]
    if isinstance(model, Fit):
        parts.append(Part("Training", table((), _training_rows(model), words=True)))
    return parts


def taught_on(model: Model | None, *, recordings: Sequence[str], people: Sequence[str], told: Sequence[str]) -> Taught:
    """Return what training on these very recordings or people takes from a claim; ``told`` is in the report already."""
    if model is None:
        return Taught([], ["which detector this is, and whom it was trained on: none was given (model=)"])
    limits, unchecked = [], []
    known = sorted(set(model.spec.trained_on) & set(recordings))
    if known and not any("trained or tuned on" in note for note in told):
        limits.append(
            f"{len(known)} of {len(recordings)} recordings were trained or tuned on: no claim about new people"
        )
    if not isinstance(model, Fit):
        unchecked.append(
            "whether these people are new: a detector knows its recordings, not whose they are (give the Fit)"
        )
    elif met := sorted({*model.split.train, *model.split.stop} & set(people)):
        limits.append(
            f"{len(met)} of {len(people)} people were trained or tuned on ({', '.join(met[:5])}): not new people"
        )
    return Taught(limits, unchecked)


def _rows(model: Model) -> list[tuple[str, object]]:
    from wristkit.models import summary, weights_sha256

    spec, net = model.spec, model.model
    rate_hz = spec.conditioning.rate_hz
    boosted = isinstance(model, BoostedFit)
    cost = None if boosted else summary(net, samples=spec.length)
    rows: list[tuple[str, object]] = [
        ("net", "boosted trees on features, for comparison" if boosted else _net_of(spec.architecture, net)),
        ("classes", _classes(spec.classes, spec.background)),
        (
            "listens to",
            "; ".join(f"{one.name} {', '.join(one.channels)} ({one.unit})" for one in spec.conditioning.sources),
        ),
        ("conditioning", ", then ".join(repr(step) for step in spec.conditioning.steps)),
        ("window", f"{spec.length_s:g} s ({spec.length} samples at {rate_hz:g} Hz), every {spec.hop_s:g} s"),
        *((f"decoder: {name.replace('_', ' ')}", value) for name, value in asdict(spec.decoder).items()),
        ("trained on", f"{len(spec.trained_on)} recordings"),
    ]
    if cost is not None:
        streams = "streams" if cost.streamable else f"does not stream: {'; '.join(cost.not_streamable)}"
        rows[1:1] = [
            ("parameters", f"{cost.parameters:,}"),
            (
                "work",
                f"{cost.macs:,} multiply-accumulates a window; sees {cost.receptive_field / rate_hz:.3g} s; {streams}",
            ),
        ]
        rows.append(("weights", weights_sha256(net)))
    return [*rows, ("specification", spec.sha256)]


def _net_of(architecture: Mapping[str, object] | None, net: object) -> str:
    if architecture is None:
        return f"{type(net).__name__}, a net of the user's own"
    left_out = {"name", "channels", "classes"}
    told = ", ".join(f"{name} {value}" for name, value in architecture.items() if name not in left_out)
    return f"{architecture.get('name')} ({told})"


def _classes(classes: Sequence[str], background: str | None) -> str:
    return ", ".join(f"{one} (background)" if one == background else one for one in classes)


def _training_rows(fit: Fit) -> list[tuple[str, object]]:
    people = fit.split
    changes = ", ".join(name for name, _ in fit.augmentation.single()) or "none"
    rows: list[tuple[str, object]] = [
        (f"{what} ({len(who)})", ", ".join(who) or "nobody")
        for what, who in (
            ("trained on", people.train),
            ("stopped and tuned on", people.stop),
            ("held out", people.held_out),
        )
    ]
    held = f"macro-F1 {fit.macro_f1:.3f} over {len(fit.held_out):,} windows" if len(fit.held_out) else "nobody held out"
    rows += [("windows of held-out people", held), ("epochs", len(fit.history)), ("seed", fit.seed)]
    rows += [("augmentation", changes), ("device", f"{fit.device}, threads {fit.threads}")]
    return [*rows, *(("note", note) for note in fit.notes)]
