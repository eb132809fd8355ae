"""Label priors: how often a model expects each token, whatever it hears. A search for words divides by a power of them, for the
language model knows better what is frequent (Miao et al. 2015, EESEN, arXiv 1507.08240). Of CTC it takes the most from the blank.
"""

from collections.abc import Sequence

import numpy as np


def log_priors(batch: Sequence[np.ndarray]) -> np.ndarray:
    """Natural logs (tokens,) of the mean probability of each token over all frames of log-probabilities (frames, tokens)."""
    frames = sum(len(log_probs) for log_probs in batch)
    return np.log(sum(np.exp(log_probs, dtype=np.float64).sum(axis=0) for log_probs in batch) / frames)


def discounted(log_probs: np.ndarray, priors: np.ndarray, weight: float) -> np.ndarray:
    """Log-probabilities (frames, tokens) less `weight` times the log priors (tokens,), normalised again; float32."""
    if not weight or not len(log_probs):
        return log_probs
    scaled = log_probs - (weight * priors).astype(np.float32)
    highest = scaled.max(axis=1, keepdims=True)
    return scaled - highest - np.log(np.exp(scaled - highest).sum(axis=1, keepdims=True))
