"""What a reader gathered, by name: for the tests of all readers."""

import numpy as np


def tracks(gathered):
    """Return the tracks by name."""
    return {track.name: track for track in gathered.tracks}


def remarks(gathered):
    """Return the remarks of the whole recording by code."""
    return {remark.code: remark for remark in gathered.remarks}


def counts(gathered):
    """Return the counts of these remarks by code."""
    return {code: remark.count for code, remark in remarks(gathered).items()}


def assert_same_arrays(one, other):
    """Assert that tracks by name have the same values and stamps, in memory or on disk."""
    assert set(one) == set(other)
    for name, track in one.items():
        np.testing.assert_array_equal(other[name].values, track.values)
        np.testing.assert_array_equal(other[name].time_ns, track.time_ns)
