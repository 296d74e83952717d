"""One definition of a detector, for a recording and for packets as they come, alone or one behind another.

``detect(recording)`` and ``push(packets)`` + ``flush()`` run the same conditioning, windows, net and decoder, so that
any partition of the same samples gives the same events. A ``Cascade`` lets a cheap one wake an expensive one.
"""

from wristkit.detector.cascade import CASCADE_FILE, Cascade
from wristkit.detector.detector import SPEC_FILE, WEIGHTS_FILE, Detector, one_thread
from wristkit.detector.inbox import Inbox
from wristkit.detector.policy import STATES, Policy, PolicyState, Seen, Transition, next_state
from wristkit.detector.saved import SCHEMA
from wristkit.detector.spec import DetectorSpec
from wristkit.detector.trace import Trace
from wristkit.detector.tuning import TunedCascade, tune_cascade

__all__ = [
    "CASCADE_FILE",
    "SCHEMA",
    "SPEC_FILE",
    "STATES",
    "WEIGHTS_FILE",
    "Cascade",
    "Detector",
    "DetectorSpec",
    "Inbox",
    "Policy",
    "PolicyState",
    "Seen",
    "Trace",
    "Transition",
    "TunedCascade",
    "next_state",
    "one_thread",
    "tune_cascade",
]
