"""Wrist motion as a body makes it: seeded recordings with exact truth. Figures from them are simulated."""

from wristkit.simulate.activities import ACTIVITIES
from wristkit.simulate.people import TRAITS, Person, people
from wristkit.simulate.sensor import WATCH, SensorParams, ideal
from wristkit.simulate.session import DEFAULT_PLAN, STREAMS, TRANSITION_S, packets, session

__all__ = [
    "ACTIVITIES",
    "DEFAULT_PLAN",
    "STREAMS",
    "TRAITS",
    "TRANSITION_S",
    "WATCH",
    "Person",
    "SensorParams",
    "ideal",
    "packets",
    "people",
    "session",
]
