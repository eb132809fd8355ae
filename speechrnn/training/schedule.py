"""The learning rate: linear warm-up, then half a cosine down to zero."""

import math


def learning_rate(share: float, peak: float, warmup: float) -> float:
    """The rate when `share` of the training, 0 to 1, is done; `warmup` is the share before the peak."""
    if share < warmup:
        return peak * share / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (share - warmup) / max(1e-9, 1 - warmup)))
