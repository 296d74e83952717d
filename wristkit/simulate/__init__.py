"""Motion of a wrist as a body makes it, and the sound around it: seeded, with exact truth. Figures are simulated."""

from wristkit.simulate.activities import ACTIVITIES
from wristkit.simulate.confounders import CONFOUNDERS, FAMILIES
from wristkit.simulate.gestures import GESTURES, gesture
from wristkit.simulate.inject import inject
from wristkit.simulate.life import CALM, EQUAL_SHARES, life, life_plan
from wristkit.simulate.overlay import Overlay, cut_event
from wristkit.simulate.people import TRAITS, Person, people
from wristkit.simulate.raising import LOOK_ALIKES, POSTURES, RAISE, REACHES, look_alike, raise_to_speak, talking
from wristkit.simulate.room import MICROPHONE, PLACES, MicrophoneParams, Room
from wristkit.simulate.scene import SCENE_STREAMS, SCENE_TIERS, Heard, Scene, Truth, everyday, stage
from wristkit.simulate.sensor import WATCH, SensorParams, ideal
from wristkit.simulate.session import DEFAULT_PLAN, MOTIONS, STREAMS, TRANSITION_S, packets, session
from wristkit.simulate.sound import SOUNDS, sound
from wristkit.simulate.voice import SPEAKERS, Speaker, speaker, speaker_of, voice
from wristkit.simulate.washing import WASH, WASH_STEPS, wash

__all__ = [
    "ACTIVITIES",
    "CALM",
    "CONFOUNDERS",
    "DEFAULT_PLAN",
    "EQUAL_SHARES",
    "FAMILIES",
    "GESTURES",
    "LOOK_ALIKES",
    "MICROPHONE",
    "MOTIONS",
    "PLACES",
    "POSTURES",
    "RAISE",
    "REACHES",
    "SCENE_STREAMS",
    "SCENE_TIERS",
    "SOUNDS",
    "SPEAKERS",
    "STREAMS",
    "TRAITS",
    "TRANSITION_S",
    "WASH",
    "WASH_STEPS",
    "WATCH",
    "Heard",
    "MicrophoneParams",
    "Overlay",
    "Person",
    "Room",
    "Scene",
    "SensorParams",
    "Speaker",
    "Truth",
    "cut_event",
    "everyday",
    "gesture",
    "ideal",
    "inject",
    "life",
    "life_plan",
    "look_alike",
    "packets",
    "people",
    "raise_to_speak",
    "session",
    "sound",
    "speaker",
    "speaker_of",
    "stage",
    "talking",
    "voice",
    "wash",
]
