"""The recipes' commands.

``python3 -m wristkit.recipes NAME`` trains the default of a recipe anew and writes it into the package;
``python3 -m wristkit.recipes NAME table`` judges the default that ships and shows its table.

``WRISTKIT_DATA`` names the folder of real data. Where ``WRISTKIT_LIVES`` names a folder too, simulated lives with sound
and the nets trained on them are kept there, so that a command that was stopped goes on where it was.
"""

import importlib
import sys

from wristkit.recipes import RECIPES

words = sys.argv[1:]
if not words or words[0] not in RECIPES or words[1:] not in ([], ["table"]):
    sys.exit(f"usage: python3 -m wristkit.recipes {{{','.join(RECIPES)}}} [table]")
recipe = importlib.import_module(f"wristkit.recipes.{words[0]}")
(recipe.judge if words[1:] else recipe.make_default)(say=print)
