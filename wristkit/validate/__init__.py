"""How good a model is for people it has not seen, and what a worse watch makes of it.

Nobody is ever on both sides of a split: there is no keyword for that.
"""

from wristkit.validate.cross import CrossValidation, SubjectBlindWarning, cross_validate, subject_blind_warning
from wristkit.validate.damage import DAMAGES, Damage
from wristkit.validate.folds import check_apart
from wristkit.validate.robust import robustness

__all__ = [
    "DAMAGES",
    "CrossValidation",
    "Damage",
    "SubjectBlindWarning",
    "check_apart",
    "cross_validate",
    "robustness",
    "subject_blind_warning",
]
