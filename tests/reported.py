"""Small reports that are known by heart: for the tests of cards and of pictures."""

import numpy as np

from wristkit.evaluate import evaluate, stack
from wristkit.events import Event, event_table
from wristkit.recording import Recording, Stream, label_table

HOUR_S = 3600.0


def person(truths, *, subject="a", label="tap", seed=0, source=None, labelled=True):
    """Return an hour of somebody with a true event of a second at each of these times."""
    time_s = np.arange(0, HOUR_S + 1.0)
    return Recording.of(
        [Stream.measured("ppg", time_s, np.random.default_rng(seed).normal(size=len(time_s)))],
        labels=label_table([(start, start + 1.0, label, "truth", "me") for start in truths]),
        labelled={"truth": [(0.0, HOUR_S)]} if labelled else {},
        subject=subject,
        source=source,
    )


def found(*starts, label="tap"):
    """Return events of a second at these times."""
    return event_table(Event(start, start + 1.0, label, 0.9, start + 1.5) for start in starts)


def report_of(*, label="tap", source=None, **people):
    """Return the report of people: name to what is true and what is found, in seconds."""
    recordings = [
        person(true, subject=name, seed=seed, label=label, source=source)
        for seed, (name, (true, _)) in enumerate(people.items())
    ]
    return evaluate(stack({one.id: found(*people[one.subject][1], label=label) for one in recordings}), recordings)
