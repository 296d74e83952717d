"""Small nets with their normalisation inside: two that stream, others to compare with, and any of the user's own.

torch is imported with this room; every room that needs it imports it where it is used.
"""

from wristkit.models.added import Added
from wristkit.models.branches import Branches
from wristkit.models.cnn import Cnn
from wristkit.models.layers import SHORTEST_WINDOW, Geometry, Net, Normalise, plan
from wristkit.models.lstm import Lstm
from wristkit.models.making import MODELS, add, build, fold
from wristkit.models.measure import ModelSummary, summary, weights_sha256, why_not_streamable
from wristkit.models.own import Own, drawn_anew, own
from wristkit.models.rounding import round_weights
from wristkit.models.tcn import Tcn

__all__ = [
    "MODELS",
    "SHORTEST_WINDOW",
    "Added",
    "Branches",
    "Cnn",
    "Geometry",
    "Lstm",
    "ModelSummary",
    "Net",
    "Normalise",
    "Own",
    "Tcn",
    "add",
    "build",
    "drawn_anew",
    "fold",
    "own",
    "plan",
    "round_weights",
    "summary",
    "weights_sha256",
    "why_not_streamable",
]
