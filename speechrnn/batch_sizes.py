"""How much is done at once: the one place that decides the sizes of batches."""

from collections.abc import Iterator, Sequence

BATCH_SECONDS = 60.0  # of audio and its padding in one run of the model: bounds the memory
SORTED_SECONDS = 300.0  # of audio to sort by length: 130 short files took 1.3 s in one window, 1.6 s in six
CHUNK_SECONDS = 600.0  # of a manifest's audio in memory at a time: 38 MB at 16 kHz
GROUP = 16  # stretches that are searched together: one by one takes more than twice as long, 32 save a fifth of it


def sorted_seconds(workers: int) -> float:
    """The audio to sort by length where so many batches run beside one another: no less than one for each."""
    return max(SORTED_SECONDS, BATCH_SECONDS * workers)


def by_length(lengths: Sequence[int], most: float) -> Iterator[list[int]]:
    """Indices in groups of like lengths, the longest first, none of which is of more than `most` when padded, or is one alone."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
