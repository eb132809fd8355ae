"""Calibration: what is fitted is what was, against another optimiser; the reliability table by hand."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from speechrnn.alignment.confidence import (
    CLOSEST,
    RAW,
    calibrated,
    calibration_error,
    geometric_means,
    reliability,
)

FITTING = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "confidence.py"))
fit, PRIOR = FITTING["fit"], FITTING["PRIOR"]


def test_geometric_means():
    p = np.array([0.9, 0.4, 0.5, 0.0])
    with np.errstate(divide="ignore"):
        found = geometric_means(np.log(p), np.array([0, 2, 2]), np.array([2, 3, 4]))
    assert found == pytest.approx([0.6, 0.5, 0.0], abs=1e-9)


def test_raw_leaves_confidences_as_they_are():
    p = np.array([0.0, 0.3, 1.0])
    assert np.array_equal(calibrated(p, RAW), p)
    assert calibrated(p, (1.0, 1e-12)) == pytest.approx(p, abs=2 * CLOSEST)


def test_calibration_keeps_the_order():
    p = np.linspace(0.01, 0.99, 50)
    assert (np.diff(calibrated(p, (1.7, -0.6))) > 0).all()


def test_fit_finds_the_calibration_that_made_the_data():
    random = np.random.default_rng(0)
    raw = random.beta(4, 1.5, 100_000)
    right = random.random(100_000) < calibrated(raw, (1.6, -0.8))
    a, b = fit(raw, right)
    assert (a, b) == pytest.approx((1.6, -0.8), abs=0.05)
    before, after = (calibration_error(reliability(p, right)) for p in (raw, calibrated(raw, (a, b))))
    assert before > 0.05
    assert after < 0.01


def test_fit_is_the_optimum_that_another_optimiser_finds():
    from scipy.optimize import minimize

    random = np.random.default_rng(1)
    raw = random.beta(5, 1, 60)
    right = random.random(60) < raw**2
    odds = np.log(raw / (1 - raw)).clip(*np.log([CLOSEST / (1 - CLOSEST), (1 - CLOSEST) / CLOSEST]))

    def loss(w):
        z = w[0] * odds + w[1]
        return np.logaddexp(0, z).sum() - z[right].sum() + PRIOR / 2 * ((w - RAW) ** 2).sum()

    assert fit(raw, right) == pytest.approx(
        minimize(loss, RAW, method="Nelder-Mead", options={"xatol": 1e-7}).x, abs=1e-4
    )


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("confidence", [0.0, 1e-9, 0.5, 1.0])
def test_words_that_are_all_right_or_all_wrong_give_numbers(confidence, right):
    a, b = fit(np.full(5, confidence), np.full(5, right))
    assert np.isfinite([a, b]).all()
    assert abs(b) < 5


def test_no_words_leave_it_raw():
    assert fit(np.zeros(0), np.zeros(0, bool)) == RAW
    assert reliability(np.zeros(0), np.zeros(0, bool)) == []
    assert calibration_error([]) == 0


def test_reliability_table_and_calibration_error_by_hand():
    confidences = np.array([0.05, 0.95, 0.97, 1.0, 0.5, 0.54])
    right = np.array([False, True, True, False, True, False])
    table = reliability(confidences, right)
    assert [(b.low, b.words) for b in table] == [(0.0, 1), (0.5, 2), (0.9, 3)]
    assert [b.confidence for b in table] == pytest.approx([0.05, 0.52, 2.92 / 3])
    assert [b.right for b in table] == pytest.approx([0, 0.5, 2 / 3])
    assert calibration_error(table) == pytest.approx((0.05 + 2 * 0.02 + 3 * (2.92 - 2) / 3) / 6)
