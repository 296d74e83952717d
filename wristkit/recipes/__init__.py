"""Complete small detectors, one file each: what it detects, what is known, how it is simulated, trained and judged.

Each recipe is a module with ``default()``, the detector that ships; ``train(recordings, ...)``, which makes another;
and ``simulate(seed, ...)``, a short example recording. ``python3 -m wristkit.recipes NAME`` trains a default anew, and
``python3 -m wristkit.recipes NAME table`` shows how it does.
"""

import importlib
from types import ModuleType

RECIPES = ("double_tap", "hand_gestures")


def __getattr__(name: str) -> ModuleType:
    if name not in RECIPES:
        raise AttributeError(f"module 'wristkit.recipes' has no attribute {name!r}")
    return importlib.import_module(f"wristkit.recipes.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *RECIPES})
