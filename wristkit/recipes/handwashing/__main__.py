"""``python3 -m wristkit.recipes.handwashing`` trains the default anew and writes it into the package."""

from wristkit.recipes.handwashing import make_default

make_default(say=print)
