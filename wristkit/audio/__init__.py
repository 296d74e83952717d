"""Sound: a causal log-mel front end, level, and what the mel bands say of change, water, speech and nearness.

Each is a frozen Params with ``run`` over a whole sound and ``start().push`` over packets, bit for bit the same.
:func:`mel`, :func:`level` and :func:`texture` take a recording; :func:`without_sound` drops what was said in it.
"""

from wristkit.audio.level import A_POLES_HZ, LEVEL_CHANNELS, LevelParams, a_weighting
from wristkit.audio.mel import FLOOR, FULL_SCALE_POWER, HOP, RATE_HZ, WINDOW, MelCoefficients, MelParams
from wristkit.audio.recorded import level, mel, texture, without_sound
from wristkit.audio.sound import FRAME_RATE_HZ, LOUDEST, Frames, SoundState
from wristkit.audio.texture import TEXTURE_CHANNELS, TextureParams, TextureState

__all__ = [
    "A_POLES_HZ",
    "FLOOR",
    "FRAME_RATE_HZ",
    "FULL_SCALE_POWER",
    "HOP",
    "LEVEL_CHANNELS",
    "LOUDEST",
    "RATE_HZ",
    "TEXTURE_CHANNELS",
    "WINDOW",
    "Frames",
    "LevelParams",
    "MelCoefficients",
    "MelParams",
    "SoundState",
    "TextureParams",
    "TextureState",
    "a_weighting",
    "level",
    "mel",
    "texture",
    "without_sound",
]
