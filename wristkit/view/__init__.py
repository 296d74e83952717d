"""Looking: the viewer, the gallery of errors, and every picture as a function that draws on given axes."""

from wristkit.view.card import report
from wristkit.view.draw import (
    draw_alignment,
    draw_augmentation,
    draw_bland_altman,
    draw_confusion,
    draw_curve,
    draw_distribution,
    draw_feature,
    draw_history,
    draw_labels,
    draw_latency,
    draw_likeness,
    draw_recording,
    draw_relevance,
    draw_reliability,
    draw_robustness,
    draw_scores,
    draw_stream,
    draw_subjects,
    draw_timeline,
    draw_wrist,
)
from wristkit.view.draw.picture import Picture
from wristkit.view.envelope import envelope
from wristkit.view.gallery import Gallery, gallery
from wristkit.view.viewer import Viewer, view

__all__ = [
    "Gallery",
    "Picture",
    "Viewer",
    "draw_alignment",
    "draw_augmentation",
    "draw_bland_altman",
    "draw_confusion",
    "draw_curve",
    "draw_distribution",
    "draw_feature",
    "draw_history",
    "draw_labels",
    "draw_latency",
    "draw_likeness",
    "draw_recording",
    "draw_relevance",
    "draw_reliability",
    "draw_robustness",
    "draw_scores",
    "draw_stream",
    "draw_subjects",
    "draw_timeline",
    "draw_wrist",
    "envelope",
    "gallery",
    "report",
    "view",
]
