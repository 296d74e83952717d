"""Every picture of the package, as functions that draw on the axes they are given.

They keep no state, leave ``rcParams`` alone and never touch pyplot, so that they run on any thread.
"""

from wristkit.view.draw.alignment import draw_alignment
from wristkit.view.draw.augmentation import draw_augmentation
from wristkit.view.draw.cascade import draw_policy, draw_surface, draw_trace
from wristkit.view.draw.charts import draw_confusion, draw_curve, draw_history
from wristkit.view.draw.evaluation import draw_bland_altman, draw_blind_warning, draw_latency, draw_reliability
from wristkit.view.draw.exported import draw_layers, draw_parity, draw_replay, draw_variants
from wristkit.view.draw.features import draw_distribution, draw_feature, draw_likeness, draw_relevance
from wristkit.view.draw.panes import draw_labels, draw_scores, draw_stream
from wristkit.view.draw.rows import draw_robustness, draw_subjects
from wristkit.view.draw.stack import draw_recording
from wristkit.view.draw.timeline import draw_timeline
from wristkit.view.draw.wrist import draw_wrist

__all__ = [
    "draw_alignment",
    "draw_augmentation",
    "draw_bland_altman",
    "draw_blind_warning",
    "draw_confusion",
    "draw_curve",
    "draw_distribution",
    "draw_feature",
    "draw_history",
    "draw_labels",
    "draw_latency",
    "draw_layers",
    "draw_likeness",
    "draw_parity",
    "draw_policy",
    "draw_recording",
    "draw_relevance",
    "draw_reliability",
    "draw_replay",
    "draw_robustness",
    "draw_scores",
    "draw_stream",
    "draw_subjects",
    "draw_surface",
    "draw_timeline",
    "draw_trace",
    "draw_variants",
    "draw_wrist",
]
