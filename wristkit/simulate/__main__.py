"""``python -m wristkit.simulate FOLDER`` writes the bundled samples into a folder."""

import sys

from wristkit.simulate.samples import write_samples

if len(sys.argv) != 2:
    sys.exit("usage: python -m wristkit.simulate FOLDER")
write_samples(sys.argv[1])
