"""The batch plan: which utterances go together, in which order. A pure function of durations, seed and epoch."""

from collections.abc import Sequence

import numpy as np

from speechrnn.errors import InputError

JITTER = 0.04  # durations vary by this share before sorting: other neighbours each epoch, and little padding


def plan(
    durations: Sequence[float] | np.ndarray,
    seed: int,
    epoch: int,
    max_seconds: float,
    world: int = 1,
    accumulate: int = 1,
    shortest_first: bool = False,
) -> list[np.ndarray]:
    """The batches of one epoch: arrays of indices into `durations` (seconds), each index in exactly one of them.

    A batch holds utterances of similar length and at most `max_seconds` of audio, padding included (a longer utterance is
    alone, and two of the shortest share a batch where all being alone would not fill the last update). The number of batches is
    a multiple of `world * accumulate`; step s consists of the batches [s * world * accumulate, (s + 1) * world * accumulate), so
    2 processes see what 1 sees with twice the accumulation. The batches of a step are of like lengths, so that no process waits
    long for another. The steps are in random order but for the first, which holds the longest batches: what does not fit in
    memory fails in the first second. With `shortest_first` the others come by length (the curriculum of Deep Speech 2, arXiv
    1512.02595, section 3.2).

    Raises:
        InputError: there are fewer utterances than batches in an update.
    """
    seconds = np.asarray(durations, dtype=np.float64)
    random = np.random.default_rng([seed, epoch])
    order = np.argsort(seconds * random.uniform(1 - JITTER, 1 + JITTER, len(seconds)), kind="stable")[::-1]
    batches: list[list[int]] = []
    longest = 0.0
    for index in order:
        longest = max(longest, seconds[index])
        if not batches or longest * (len(batches[-1]) + 1) > max_seconds:
            batches.append([])
            longest = seconds[index]
        batches[-1].append(int(index))
    group = world * accumulate
    if len(seconds) < group:
        raise InputError(
            f"{len(seconds)} utterances cannot be spread over {group} batches an update: "
            "lower optimiser.accumulate, or use fewer processes"
        )
    while len(batches) % group and len(batches) < len(seconds):
        fullest = max(range(len(batches)), key=lambda i: len(batches[i]))
        batch = batches[fullest]
        batches[fullest : fullest + 1] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
    if surplus := len(batches) % group:  # each utterance is alone: pair the shortest
        shortest = batches[-2 * surplus :]
        batches[-2 * surplus :] = [a + b for a, b in zip(shortest[::2], shortest[1::2], strict=True)]
    padded = np.array([seconds[batch].max() * len(batch) for batch in batches])
    first = np.argsort(padded, kind="stable")[::-1][:group]
    rest = np.setdiff1d(np.arange(len(batches)), first)
    longest_first = np.argsort([-seconds[batches[i]].max() for i in rest], kind="stable")
    steps = rest[longest_first].reshape(-1, group)
    steps = steps[::-1] if shortest_first else random.permutation(steps)
    return [np.array(batches[i]) for i in [*first, *steps.ravel()]]


def padding_share(durations: Sequence[float] | np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """The share of the batches' audio that is padding, 0 to 1."""
    seconds = np.asarray(durations, dtype=np.float64)
    padded = sum(seconds[batch].max() * len(batch) for batch in batches)
    return 1.0 - sum(seconds[batch].sum() for batch in batches) / padded
