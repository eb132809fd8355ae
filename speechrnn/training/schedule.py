"""The learning rate: linear warm-up, then half a cosine down to zero."""

import math


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """The rate of update `step` (from 0) of `steps`; `warmup` is the share of steps before the peak."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
