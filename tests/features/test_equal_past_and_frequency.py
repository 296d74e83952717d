"""Fourier, wavelet, lag and regression features equal tsfresh's for other than the usual parameters and series."""

import numpy as np
import pytest

from tests.features.oracle import table_of_tsfresh
from tests.features.test_equal_tsfresh import same
from wristkit.features.extract import series_features

NAMES = ("mean", "median", "var", "max")
SETTINGS = {
    "fft_coefficient": [{"attr": part, "coeff": at} for part in ("angle", "real") for at in (30, 0, 7)],
    "spkt_welch_density": [{"coeff": at} for at in (40, 3, 0, 11)],  # some beyond: tsfresh then shifts the names
    "fourier_entropy": [{"bins": bins} for bins in (1, 7, 40)],
    "cwt_coefficients": [
        {"widths": (7.3, 1, 0.2, 40), "w": width, "coeff": at} for width in (7.3, 1, 0.2, 40) for at in (0, 17, 90)
    ],
    "number_cwt_peaks": [{"n": widest} for widest in (2, 3, 4, 8, 9, 17)],
    "autocorrelation": [{"lag": lag} for lag in (0, 3, 60)],
    "agg_autocorrelation": [{"f_agg": name, "maxlag": lags} for name in NAMES for lags in (1, 3, 90)],
    "partial_autocorrelation": [{"lag": lag} for lag in (12, 0, 3, 30)],
    "ar_coefficient": [{"k": lags, "coeff": at} for lags in (0, 1, 4) for at in (0, 1, 4, 5)],
    "augmented_dickey_fuller": [
        {"attr": attr, "autolag": rule}
        for rule in ("AIC", "BIC", "t-stat", None)
        for attr in ("teststat", "pvalue", "usedlag")
    ],
}


def series(samples):
    """(19, samples) on which least squares, ridges and spectra are hard: collinear, tied, far from zero, all rule."""
    rng = np.random.default_rng(samples)
    at = np.arange(samples)
    drawn = rng.normal(size=(3, samples))
    return np.stack(
        [
            *drawn,
            drawn[0].cumsum(),
            drawn[1].cumsum().cumsum(),
            1e3 + drawn[0],
            1e8 + drawn[1].cumsum(),
            np.round(drawn[0].cumsum()),
            rng.integers(0, 2, size=samples) * 1.0,
            (rng.random(samples) < 0.05) * 1.0,
            np.sin(0.4 * at),
            np.sin(0.4 * at) + 1e-6 * drawn[0],
            0.3 * at,
            np.exp(-at / 9),
            (at // 5 % 2) * 1.0,
            np.where(at % 7 == 0, 2.0, 0.1),
            np.full(samples, 0.1),
            np.where(at == samples - 1, np.nan, drawn[2]),
            np.where(at == 0, np.nan, drawn[2]),
        ]
    )


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("samples", [4, 6, 9, 11, 20, 41, 99, 257, 600])
def test_equal_for_other_parameters(name, samples):
    values = series(samples)
    settings = {name: SETTINGS[name]}
    ours = series_features(values[:, None], channels=["a"], settings=settings)
    assert same(ours, table_of_tsfresh(settings, values)) == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fft_coefficient": [{"attr": "size", "coeff": 0}]}, "'size', expected 'real'"),
        ({"fft_coefficient": [{"attr": "abs", "coeff": -1}]}, "is -1, expected 0"),
        ({"fft_aggregated": [{"aggtype": "mean"}]}, "'mean', expected 'centroid'"),
        ({"cwt_coefficients": [{"widths": (2, 5), "w": 3, "coeff": 0}]}, "is 3, expected one of"),
        ({"cwt_coefficients": [{"widths": (0.01,), "w": 0.01, "coeff": 0}]}, "too small"),
        ({"number_cwt_peaks": [{"n": 0}]}, "is 0, expected 1"),
        ({"augmented_dickey_fuller": [{"attr": "pvalue", "autolag": "HQ"}]}, "'HQ', expected 'AIC'"),
    ],
)
def test_wrong_parameters_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        series_features(np.ones((1, 1, 20)), channels=["a"], settings=settings)
