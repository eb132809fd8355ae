"""Label priors: what they are, what a search makes of them, and packages that hold them."""

import json
import shutil

import numpy as np
import pytest

import speechrnn
from speechrnn.errors import InputError
from speechrnn.package import read_package
from speechrnn.search.priors import discounted, log_priors


def random_log_probs(frames, seed):
    scores = np.random.default_rng(seed).normal(0, 3, (frames, 5))
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def test_priors_are_the_mean_probability_over_all_frames():
    batch = [random_log_probs(frames, frames) for frames in (7, 1, 30)]
    priors = log_priors(batch)
    np.testing.assert_allclose(np.exp(priors), np.exp(np.concatenate(batch)).mean(axis=0), rtol=1e-6)
    assert np.exp(priors).sum() == pytest.approx(1)


def test_dividing_by_priors_is_bayes_with_equal_ones():
    """p(token | sound) is p(sound | token) p(token) up to a factor: without p(token), every frame is again a distribution."""
    likelihood, prior = np.random.default_rng(0).uniform(size=(20, 5)), np.array([0.6, 0.2, 0.1, 0.06, 0.04])
    posterior = likelihood * prior
    posterior /= posterior.sum(axis=1, keepdims=True)
    expected = likelihood / likelihood.sum(axis=1, keepdims=True)
    found = discounted(np.log(posterior).astype(np.float32), np.log(prior), 1.0)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)
    assert found.dtype == np.float32
    assert discounted(found, np.log(prior), 0.0) is found
    empty = np.zeros((0, 5), np.float32)
    assert discounted(empty, np.log(prior), 1.0).shape == (0, 5)


@pytest.fixture
def described(tmp_path, package_dir, tmp_path_factory):
    """Writes a package with a language model and this in its decoder's description."""
    from ambiguous import build_lm

    folder = shutil.copytree(package_dir, tmp_path / "package")
    (folder / "lm").mkdir()
    build_lm(folder / "lm", name="ngram.lm")

    def write(**decoder):
        description = json.loads((folder / "model.json").read_text())
        description["decoder"] = {"method": "beam", "lm_weight": 0.5, **decoder}
        (folder / "model.json").write_text(json.dumps(description))
        return folder

    return write


def test_a_package_with_priors_searches_without_what_they_say(described):
    tokens = len(read_package(described()).tokenizer)
    log_probs = np.log(np.full((10, tokens), 0.01, np.float32))
    priors = [-0.01] + [-5.0] * (tokens - 1)
    plain = speechrnn.load(described())
    weighted = speechrnn.load(described(prior_weight=0.4, log_priors=priors))
    assert "prior weight 0.4" in weighted.decoder.description and "prior" not in plain.decoder.description
    heard = discounted(log_probs, np.array(priors), 0.4)
    assert weighted.decoder.decode([log_probs]) == plain.decoder.decode([heard]) != plain.decoder.decode([log_probs])
    without = speechrnn.load(described(prior_weight=0.4, log_priors=priors), lm=False)  # only beside a language model
    assert without.decoder.decode([log_probs]) == speechrnn.load(described(), lm=False).decoder.decode([log_probs])


@pytest.mark.parametrize(
    ("decoder", "error"),
    [
        ({"prior_weight": 2, "log_priors": [-1.0]}, "prior_weight: expected a number from 0 to 1, found 2"),
        ({"prior_weight": True}, "prior_weight: expected a number"),
        ({"prior_weight": 0.5}, "log_priors: expected one for each of the"),
        ({"prior_weight": 0.5, "log_priors": [-1.0, -2.0]}, "found 2"),
        ({"log_priors": [0.5]}, "log_priors: expected logarithms of probabilities"),
        ({"log_priors": "none"}, "log_priors: expected logarithms"),
    ],
)
def test_priors_that_cannot_be(described, decoder, error):
    with pytest.raises(InputError, match=error):
        read_package(described(**decoder))
