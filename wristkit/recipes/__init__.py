"""Complete small detectors, one file each: what it detects, what is known, how it is simulated, trained and judged.

And estimators, plain algorithms after a published method: they are ``ESTIMATORS``, and nothing of them is trained.

Each detector is a module with ``default()``, the detector that ships; ``train(recordings, ...)``, which makes another;
and ``simulate(seed, ...)``, a short example recording. ``python3 -m wristkit.recipes NAME`` trains a default anew, and
``python3 -m wristkit.recipes NAME table`` shows how it does.
"""

import importlib
from types import ModuleType

RECIPES = ("activity", "double_tap", "hand_gestures", "handwashing", "raise_to_speak")
ESTIMATORS = ("arm_motion", "heart_rate", "reps", "steps")


def __getattr__(name: str) -> ModuleType:
    if name not in (*RECIPES, *ESTIMATORS):
        raise AttributeError(f"module 'wristkit.recipes' has no attribute {name!r}")
    return importlib.import_module(f"wristkit.recipes.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *RECIPES, *ESTIMATORS})
