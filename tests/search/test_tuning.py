"""Tuning on made error functions: what it finds, what it asks for, and how it chooses between equals."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechrnn.search.beam import BeamSearch
from speechrnn.search.tuning import (
    BEAMS,
    DEFAULT,
    DEFAULT_BEAM,
    GRID_BEAM,
    LM_WEIGHTS,
    PRIOR_WEIGHTS,
    WORD_BONUSES,
    as_good,
    at_the_edge,
    best_cell,
    tune,
)

CELLS = [(i, j) for i in range(len(LM_WEIGHTS)) for j in range(len(WORD_BONUSES))]


def of_cells(errors):
    """The error function of a table by cell, whatever the beam, one more with priors, and the list of what was asked."""
    asked = []

    def count_errors(lm_weight, word_bonus, beam, prior_weight):
        asked.append((LM_WEIGHTS.index(lm_weight), WORD_BONUSES.index(word_bonus), beam, prior_weight))
        return errors[asked[-1][:2]] + (prior_weight > 0)

    return count_errors, asked


@given(st.sampled_from(CELLS), st.integers(1, 5), st.integers(1, 5))
def test_the_bottom_of_a_bowl_is_found_wherever_it_is(bottom, steep, steeper):
    bowl = {(i, j): steep * (i - bottom[0]) ** 2 + steeper * (j - bottom[1]) ** 2 for i, j in CELLS}
    count_errors, asked = of_cells(bowl)
    tuned = tune(count_errors)
    assert tuned.best == bottom
    assert (tuned.lm_weight, tuned.word_bonus) == (LM_WEIGHTS[bottom[0]], WORD_BONUSES[bottom[1]])
    assert len(set(asked)) == len(asked) < 80 and tuned.prior_weight == 0
    assert at_the_edge(tuned.best) == (bottom[0] in (0, 10) or bottom[1] in (0, 10))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=len(CELLS), max_size=len(CELLS)))
def test_nothing_tried_and_nothing_around_is_better(values):
    errors = dict(zip(CELLS, values, strict=True))
    count_errors, _ = of_cells(errors)
    tuned = tune(count_errors)
    i, j = tuned.best
    assert all(tuned.grid[cell] == errors[cell] for cell in tuned.grid)
    assert errors[tuned.best] == min(tuned.grid.values())
    assert {(a, b) for a, b in CELLS if abs(a - i) <= 1 and abs(b - j) <= 1} <= set(tuned.grid)
    assert {(a, b) for a, b in CELLS if a % 2 == 0 == b % 2} <= set(tuned.grid)


def test_of_equals_the_one_in_better_company_is_chosen():
    grid = dict.fromkeys(CELLS, 50) | {(4, 4): 10, (8, 6): 10, (8, 5): 12, (7, 6): 12}
    assert best_cell(grid) == (8, 6)


def test_where_nothing_is_decided_the_defaults_stay():
    count_errors, _ = of_cells(dict.fromkeys(CELLS, 0))
    tuned = tune(count_errors)
    defaults = inspect.signature(BeamSearch).parameters
    assert tuned.lm_weight == defaults["lm_weight"].default and tuned.word_bonus == defaults["word_bonus"].default
    assert tuned.beam == defaults["width"].default == DEFAULT_BEAM
    assert as_good(tuned.grid) == len(tuned.grid)


@given(st.sets(st.sampled_from([cell for cell in CELLS if cell != DEFAULT]), max_size=20))
def test_a_few_errors_here_and_there_do_not_drive_it_into_a_corner(errors):
    """At the default four neighbours of eight may have an error, in a corner none of three."""
    errors = {cell for cell in errors if max(abs(cell[0] - 4), abs(cell[1] - 4)) > 1} | {(3, 3), (4, 3), (5, 5)}
    count_errors, _ = of_cells({cell: int(cell in errors) for cell in CELLS})
    assert tune(count_errors).best == DEFAULT


def test_how_many_are_as_good_as_the_best():
    assert as_good({(0, 0): 7, (0, 2): 8, (2, 0): 9}) == 2


def test_the_narrowest_beam_that_is_as_good_as_that_of_the_grid_and_the_widest():
    for errors, chosen in (
        ((30, 12, 10, 10, 10, 10), 16),
        ((30, 12, 11, 10, 9, 10), 32),
        ((10, 10, 10, 10, 10, 10), 64),
        ((10, 11, 10, 10, 11, 10), 4),
        ((30, 20, 15, 12, 11, 10), 128),
        ((40, 9, 50, 10, 50, 50), 8),
    ):
        by_beam = dict(zip(BEAMS, errors, strict=True))
        tuned = tune(lambda w, b, beam, prior, by_beam=by_beam: by_beam[beam] + (prior > 0))
        assert tuned.beam == chosen
        assert tuned.beams == by_beam and tuned.beams[GRID_BEAM] == errors[3]


@pytest.mark.parametrize("best", PRIOR_WEIGHTS)
def test_the_weight_of_the_priors_rises_as_long_as_it_helps(best):
    """It moves the best of the other weights, too, and the search follows."""
    asked = []

    def count_errors(lm_weight, word_bonus, beam, prior_weight):
        asked.append(prior_weight)
        far = abs(LM_WEIGHTS.index(lm_weight) - 4 - round(5 * prior_weight)) + abs(WORD_BONUSES.index(word_bonus) - 3)
        return 10 + far + round(20 * abs(prior_weight - best))

    tuned = tune(count_errors)
    assert tuned.prior_weight == best and tuned.best == (4 + round(5 * best), 3)
    assert tuned.priors[best] == 10 == min(tuned.priors.values())
    beyond = [weight for weight in PRIOR_WEIGHTS if weight > best][1:]
    assert not set(beyond) & set(asked)
