"""Windows on the grid: (n, channels, samples) with subject, recording, time and label of each; splits by whole people.

Windows begin at whole multiples of the hop from ``Recording.start``, so that a recording and its packets give the same
ones, and none lies across a gap.
"""

from wristkit.windows.copies import Copy, copies_in
from wristkit.windows.cutting import Cut, cut, whole_samples
from wristkit.windows.labelled import TextArray, Windows, check_finite, check_windows
from wristkit.windows.making import Policy, windows
from wristkit.windows.people import PeopleSplit, one_name, people_of, plain_name, split_people

__all__ = [
    "Copy",
    "Cut",
    "PeopleSplit",
    "Policy",
    "TextArray",
    "Windows",
    "check_finite",
    "check_windows",
    "copies_in",
    "cut",
    "one_name",
    "people_of",
    "plain_name",
    "split_people",
    "whole_samples",
    "windows",
]
