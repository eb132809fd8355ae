"""The batch plan as properties: nothing lost, nothing too large, nothing left to chance."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechrnn.data.plan import padding_share, plan
from speechrnn.errors import InputError

DURATIONS = st.lists(st.floats(0.1, 40), min_size=8, max_size=120)


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@settings(max_examples=150, deadline=None)
@given(
    DURATIONS,
    st.integers(0, 5),
    st.integers(0, 5),
    st.floats(1, 100),
    st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 3), (8, 1)]),
)
def test_every_utterance_once_in_batches_that_fit(durations, seed, epoch, max_seconds, group):
    world, accumulate = group
    seconds = np.array(durations)
    batches = plan(durations, seed, epoch, max_seconds, world, accumulate)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(durations)))
    too_large = [batch for batch in batches if len(batch) > 1 and seconds[batch].max() * len(batch) > max_seconds]
    if too_large:  # all being alone would not fill the last update
        assert len(too_large) <= len(durations) % (world * accumulate) and max(map(len, batches)) == 2
    assert len(batches) % (world * accumulate) == 0 and all(len(batch) for batch in batches)
    padded = [seconds[batch].max() * len(batch) for batch in batches]
    first = world * accumulate
    assert min(padded[:first]) >= max(padded[first:], default=0)  # what may not fit in memory comes first
    assert same(batches, plan(seconds, seed, epoch, max_seconds, world, accumulate))  # a pure function
    assert 0 <= padding_share(durations, batches) < 1


@settings(max_examples=50, deadline=None)
@given(DURATIONS, st.integers(0, 3), st.integers(0, 3), st.sampled_from([2, 4]))
@example([1.0, 1.0, 1.0, 16.0, 30.0, 30.0, 31.0, 31.0, 31.0, 31.0, 30.0], 2, 0, 4)  # 11 batches of one
def test_more_processes_see_what_one_sees_with_accumulation(durations, seed, epoch, world):
    spread = plan(durations, seed, epoch, 60.0, world=world, accumulate=1)
    alone = plan(durations, seed, epoch, 60.0, world=1, accumulate=world)
    steps = len(spread) // world
    for step in range(steps):
        together = [spread[step * world + rank] for rank in range(world)]  # one batch a process
        assert same(together, alone[step * world : (step + 1) * world])
    assert len(alone) == steps * world


def test_another_epoch_or_seed_meets_others_in_another_order():
    durations = np.random.default_rng(0).uniform(1, 16, 300)
    one, other_epoch, other_seed = plan(durations, 1, 0, 100), plan(durations, 1, 1, 100), plan(durations, 2, 0, 100)
    assert not same(one, other_epoch) and not same(one, other_seed)

    def companions(batches):
        return {frozenset(batch.tolist()) for batch in batches}

    assert len(companions(one) & companions(other_epoch)) < len(one) / 4
    longest = [durations[batch].max() for batch in one[1:]]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_little_padding_on_durations_like_librispeechs():
    random = np.random.default_rng(0)
    durations = np.where(random.random(1500) < 0.7, random.uniform(11, 16, 1500), random.uniform(1.0, 11, 1500))
    for epoch in range(5):
        assert padding_share(durations, plan(durations, 1, epoch, max_seconds=200)) <= 0.05


def test_padding_share_by_hand():
    assert padding_share([1, 3, 2], [np.array([0, 1]), np.array([2])]) == pytest.approx(2 / 8)


def test_too_few_utterances_for_a_step_is_an_error():
    with pytest.raises(InputError, match="3 utterances cannot be spread over 4 batches an update"):
        plan([1.0, 2.0, 3.0], 0, 0, 60.0, world=2, accumulate=2)


def test_the_batches_of_a_step_are_of_like_lengths():
    seconds = np.random.default_rng(0).uniform(1, 16, 400)
    batches = plan(seconds, 1, 0, 40, world=2, accumulate=2)
    longest = np.array([seconds[batch].max() for batch in batches]).reshape(-1, 4)
    assert (longest.max(1) - longest.min(1))[1:].max() < 2.5  # of 15; the first step holds the largest batches
    order = longest[1:, 0]
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.5
