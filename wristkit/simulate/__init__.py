"""Motion of a wrist as a body makes it, and the sound around it: seeded, with exact truth. Figures are simulated.

:func:`parameters` is the table of every named number that it is made of, with its source or the word estimate.
"""

from wristkit.simulate.activities import ACTIVITIES
from wristkit.simulate.confounders import CONFOUNDERS, FAMILIES
from wristkit.simulate.effort import HEART, heart_beats, heart_response
from wristkit.simulate.exercises import EXERCISES, WORKOUT_STREAMS, WORKOUT_TIERS, ExerciseSet, workout
from wristkit.simulate.gait import STEPLESS, Gait, gait_session, stepless, true_steps
from wristkit.simulate.gestures import GESTURES, gesture
from wristkit.simulate.inject import inject
from wristkit.simulate.jolts import JOLTS, jolt
from wristkit.simulate.life import CALM, EQUAL_SHARES, life, life_plan
from wristkit.simulate.moving import ACTIVE_LABELS, active
from wristkit.simulate.overlay import Overlay, cut_event
from wristkit.simulate.parameters import parameters
from wristkit.simulate.people import TRAITS, Person, people
from wristkit.simulate.ppg import RING_LIGHT, SKIN, THREE_COLOURS, WRIST_LIGHT, LightParams, Wavelength, add_ppg
from wristkit.simulate.raising import LOOK_ALIKES, POSTURES, RAISE, REACHES, look_alike, raise_to_speak, talking
from wristkit.simulate.room import MICROPHONE, PLACES, MicrophoneParams, Room
from wristkit.simulate.scene import SCENE_STREAMS, SCENE_TIERS, Heard, Scene, Truth, everyday, stage
from wristkit.simulate.sensor import WATCH, SensorParams, ideal
from wristkit.simulate.session import DEFAULT_PLAN, MOTIONS, STREAMS, TRANSITION_S, packets, session
from wristkit.simulate.sound import SOUNDS, sound
from wristkit.simulate.treadmill import RAMP, Bout, treadmill
from wristkit.simulate.voice import SPEAKERS, Speaker, speaker, speaker_of, voice
from wristkit.simulate.washing import WASH, WASH_STEPS, wash

__all__ = [
    "ACTIVE_LABELS",
    "ACTIVITIES",
    "CALM",
    "CONFOUNDERS",
    "DEFAULT_PLAN",
    "EQUAL_SHARES",
    "EXERCISES",
    "FAMILIES",
    "GESTURES",
    "HEART",
    "JOLTS",
    "LOOK_ALIKES",
    "MICROPHONE",
    "MOTIONS",
    "PLACES",
    "POSTURES",
    "RAISE",
    "RAMP",
    "REACHES",
    "RING_LIGHT",
    "SCENE_STREAMS",
    "SCENE_TIERS",
    "SKIN",
    "SOUNDS",
    "SPEAKERS",
    "STEPLESS",
    "STREAMS",
    "THREE_COLOURS",
    "TRAITS",
    "TRANSITION_S",
    "WASH",
    "WASH_STEPS",
    "WATCH",
    "WORKOUT_STREAMS",
    "WORKOUT_TIERS",
    "WRIST_LIGHT",
    "Bout",
    "ExerciseSet",
    "Gait",
    "Heard",
    "LightParams",
    "MicrophoneParams",
    "Overlay",
    "Person",
    "Room",
    "Scene",
    "SensorParams",
    "Speaker",
    "Truth",
    "Wavelength",
    "active",
    "add_ppg",
    "cut_event",
    "everyday",
    "gait_session",
    "gesture",
    "heart_beats",
    "heart_response",
    "ideal",
    "inject",
    "jolt",
    "life",
    "life_plan",
    "look_alike",
    "packets",
    "parameters",
    "people",
    "raise_to_speak",
    "session",
    "sound",
    "speaker",
    "speaker_of",
    "stage",
    "stepless",
    "talking",
    "treadmill",
    "true_steps",
    "voice",
    "wash",
    "workout",
]
