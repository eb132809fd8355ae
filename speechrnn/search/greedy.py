"""Best-path CTC decoding (Graves et al. 2006, section 3.2)."""

import numpy as np

from speechrnn.errors import InputError

BLANK = 0


def greedy(log_probs: np.ndarray) -> list[int]:
    """The token ids of the most probable path: the best token of each frame, repeats merged, then blanks removed.

    Args:
        log_probs: (frames, tokens), natural logs; token 0 is the blank. There may be no frames.

    Raises:
        InputError: there is NaN among them.
    """
    if np.isnan(log_probs).any():
        frames = int(np.isnan(log_probs).any(axis=1).sum())
        raise InputError(f"log-probabilities: expected numbers, found NaN in {frames} of {len(log_probs)} frames")
    best = log_probs.argmax(axis=1)
    starts = np.ones(len(best), bool)
    starts[1:] = best[1:] != best[:-1]
    return best[starts & (best != BLANK)].tolist()
