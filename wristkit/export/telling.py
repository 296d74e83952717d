"""What a bundle says of itself: ``report.json`` for programs, ``MODEL_CARD.md`` for people."""

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

import wristkit
from wristkit.detector import Cascade, Detector
from wristkit.export import coreml
from wristkit.export.cost import Energy
from wristkit.export.folder import CARD, MARKER, REPORT, hashes_under
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.stages import stages_of
from wristkit.models import weights_sha256

if TYPE_CHECKING:
    from wristkit.export.bundle import Bundle


class Facts(NamedTuple):
    """How a bundle was asked for, and what its windows are."""

    interface: str
    target: str
    precision: str
    trial: str


def write_report(detector: Detector | Cascade, bundle: "Bundle", facts: Facts) -> None:
    """Write the card, then the report: it lists every file of the bundle, so that a later export knows its own."""
    folder = bundle.report.parent
    (folder / CARD).write_text(_card(detector, bundle, facts), encoding="utf-8")
    digests = hashes_under(folder)
    stages = stages_of(detector)
    programs = [coreml.program_sha256(one) for one in bundle.packages.values()]
    weights = [weights_sha256(one.model) for one in stages.values()]
    report = {
        "format": MARKER,
        "wristkit_version": wristkit.__version__,
        "versions": coreml.versions(),
        **facts._asdict(),
        "mlpackage": bundle.mlpackage.name,
        "packages": {stage: one.name for stage, one in bundle.packages.items()},
        "policy": detector.policy.to_dict() if isinstance(detector, Cascade) else None,
        "program_sha256": _joined(programs),
        "weights_sha256": _joined(weights),
        "spec_sha256": detector.sha256 if isinstance(detector, Cascade) else detector.spec.sha256,
        "parity": records(bundle.parity),
        "preflight": records(bundle.preflight),
        "ranges": records(bundle.ranges),
        "latency": records(bundle.latency),
        "cost": {name: jsonable(value) for name, value in bundle.cost.numbers.items()},
        "stages": {
            stage: {key: jsonable(value) for key, value in one.numbers.items()} for stage, one in bundle.costs.items()
        },
        "layers": records(bundle.cost.layers),
        "energy_constants": vars(Energy()),
        "took_s": {name: round(seconds, 3) for name, seconds in bundle.took_s.items()},
        "files": [*digests, REPORT],
        "file_sha256": digests,
    }
    bundle.report.write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")


def _joined(digests: list[str]) -> str:
    """Return the hash of a detector as it is, of several stages that of all."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON holds it."""
    return [{str(key): jsonable(value) for key, value in row.items()} for row in table.to_dict("records")]


def jsonable(value: Any) -> Any:  # noqa: ANN401  a table's cell
    """Return None for NaN and text for infinity, which JSON has no words for."""
    if hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _card(detector: Detector | Cascade, bundle: "Bundle", facts: Facts) -> str:
    checks = "\n".join(f"- {row.check}: **{row.status}** ({row.note})" for row in bundle.parity.itertuples())
    found = "\n".join(
        f"- {row.check}: **{row.status}** {row.where} {row.note}" for row in bundle.preflight.itertuples()
    )
    parts = "\n".join(_stage(stage, one, bundle) for stage, one in stages_of(detector).items())
    cost = bundle.cost
    policy = f"\n- Policy: `{json.dumps(detector.policy.to_dict())}`" if isinstance(detector, Cascade) else ""
    return f"""# {bundle.mlpackage.stem}

{parts}
- {facts.target} or later, {facts.precision}; {cost.parameters:,} parameters, {cost.macs_per_hour:,} \
multiply-accumulates an hour, {cost.package_bytes:,} bytes, {cost.state_bytes:,} bytes of state
- Conditioning, decoder, units and hashes are in each package's own metadata and in `{REPORT}`.{policy}
- Made with {coreml.versions()}.

## Checks
On {facts.trial}.

{checks}

## Before and after the conversion

{found}

## Energy
No figure for a watch has been published, so there is none here. The arithmetic alone takes at least \
{cost.energy_floor_uw:.3g} uW at constants of 45 nm silicon; sensors, memory and wake-up dominate.

This package was never run on Apple hardware. It is no medical device, and its error rates are those of its evaluation.
"""


def _stage(stage: str, detector: Detector, bundle: "Bundle") -> str:
    spec, package = detector.spec, load_mlpackage(bundle.packages[stage])
    classes = ", ".join(json.dumps(one, ensure_ascii=False) for one in spec.classes)
    heading = f"## {bundle.packages[stage].name}\n\n" if stage else ""
    inputs = ", ".join(f"`{name}` {one.shape}" for name, one in package.inputs.items())
    rate_hz = spec.conditioning.rate_hz
    return f"""{heading}Windows of {spec.length} samples at {rate_hz:g} Hz, one every {spec.hop} samples.

- Classes: {classes}
- Inputs: {inputs}, Float32, conditioned; frame: {spec.conditioning.frame.kind}
- Channels, in order: {", ".join(spec.conditioning.channels)}
- Outputs: {", ".join(f"`{name}`" for name in package.outputs)}"""
