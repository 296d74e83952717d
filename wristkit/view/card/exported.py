"""What a card says of an exported bundle: what was proven of its files, what it costs, and what nobody has run."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.view.card.page import Card, Part, Tile, drawn, frame, number, spoken, table
from wristkit.view.draw.exported import draw_layers, draw_parity

if TYPE_CHECKING:
    from wristkit.export import Bundle, Cost

_SHOWN_LAYERS = ("kind", "output", "macs", "macs_streaming", "weight_bytes", "activation_bytes", "state_bytes")


def bundle_card(bundle: "Bundle") -> Card:
    """Return the card of a bundle."""
    rows, cost = bundle.parity, bundle.cost
    counts = rows["status"].value_counts()
    names = ", ".join(one.name for one in bundle.packages.values())
    failed = rows[rows["status"] == "failed"]
    beyond = bundle.preflight[bundle.preflight["status"] != "passed"]
    return Card(
        lead=f"{names}: the saved files, read and run here by an independent reader, against the net they came from.",
        warnings=[f"{one.check} failed: {one.measured:.3g}, expected {one.bound:.3g}" for one in failed.itertuples()],
        tiles=[
            Tile("checks passed", f"{counts.get('passed', 0)}", f"{counts.get('failed', 0)} failed"),
            Tile("not run", f"{len(bundle.not_run)}", "named below; none of them is a pass"),
            Tile("package", f"{cost.package_bytes:,} B", f"{cost.parameters:,} parameters"),
            Tile("operations an hour", number(cost.macs_per_hour), _newest(cost)),
        ],
        limits=[
            *(f"{one.check}: {one.where} {one.note}".strip() for one in beyond.itertuples()),
            "The reader rounds as the file declares; the order in which Apple hardware adds is not known to it.",
            "Energy is a floor of the arithmetic alone, at constants of 45 nm silicon; compare floors, not watches.",
        ],
        parts=[_parity_part(rows), _cost_part(bundle), _layer_part(cost), _latency_part(bundle)],
        unchecked=[f"{one.check}: {one.note}" for one in rows[rows["status"] == "not run"].itertuples()],
    )


def _newest(cost: "Cost") -> str:
    if cost.macs_per_hour_streaming is None:
        return "multiply-accumulates; the net cannot stream"
    return f"multiply-accumulates; {number(cost.macs_per_hour_streaming)} when the newest samples alone are computed"


def _parity_part(rows: pd.DataFrame) -> Part:
    ran = rows[rows["status"] != "not run"]
    picture = drawn(
        lambda axes: draw_parity(axes[0], rows),
        size_in=(7.0, 0.6 + 0.26 * int((ran["bound"] > 0).sum())),
        words="Bars: how much of its bound each measured difference takes, on a logarithmic axis.",
        below="Each measured difference as a share of its bound; right of the line it failed.",
    )
    return Part("Is it the same detector?", picture + frame(rows.set_index("check"), caption="All checks"))


def _cost_part(bundle: "Bundle") -> Part:
    columns = {stage or "detector": one.numbers for stage, one in bundle.costs.items()}
    shown = {
        name: {key: np.nan if value is None else float(value) for key, value in one.items()}
        for name, one in columns.items()
    }
    return Part("What it costs", frame(spoken(pd.DataFrame(shown).T).T, caption="By stage; energies are floors"))


def _layer_part(cost: "Cost") -> Part:
    picture = drawn(
        lambda axes: draw_layers(axes[0], cost.layers),
        size_in=(7.0, 0.7 + 0.24 * int((cost.layers["macs"] > 0).sum())),
        words="Bars: multiply-accumulates of each layer, of a whole window and of the newest samples alone.",
        below="Multiply-accumulates of each layer: of a whole window, and of the newest samples alone.",
    )
    rows = [[one["layer"], *(f"{one[key]:,}" if isinstance(one[key], int) else one[key] for key in _SHOWN_LAYERS)]
            for one in cost.layers.to_dict("records")]  # fmt: skip
    heads = ["layer", *(name.replace("_", " ") for name in _SHOWN_LAYERS)]
    return Part("Layer by layer", picture + table(heads, rows, caption="Layers in the order of a window"))


def _latency_part(bundle: "Bundle") -> Part:
    took = pd.DataFrame({"seconds": dict(bundle.took_s)})
    return Part(
        "How long it took",
        frame(bundle.latency.set_index("runtime"), caption="One window on the machine that exported, one thread")
        + frame(took, caption="The export itself"),
    )
