"""The weights of a search, chosen by its errors on held-out utterances.

Errors are a rugged function of the weights: on a few hundred words many neighbours are equal, and a descent would stop at the
first hollow. So every second value of both weights is tried, and then whatever lies around the best, until nothing untried
does. Then the weight of the priors rises as long as that helps, each time from the best before. The beam comes last: one
wider than that of the grid finds better scores, hardly other weights. What the utterances cannot decide is left as `BeamSearch`
has it by default.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

LM_WEIGHTS = (
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.65,
    0.8,
    1.0,
    1.25,
    1.5,
    2.0,
)  # what others found for CTC is within 0.2 and 1.5
WORD_BONUSES = (
    -3.0,
    -2.0,
    -1.0,
    0.0,
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
)  # in nats: a language model takes some 5 from a word; a weak acoustic model hears too many
PRIOR_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8)  # with all of the priors, 1, the model of five hours errs more than with half
BEAMS = (4, 8, 16, 32, 64, 128)
DEFAULT, DEFAULT_BEAM = (LM_WEIGHTS.index(0.5), WORD_BONUSES.index(1.0)), 64  # of `BeamSearch`
GRID_BEAM = 32  # of the grid: half the time of 64; with 16, a weak model's weights came out otherwise, and worse

Cell = tuple[int, int]  # places in LM_WEIGHTS and WORD_BONUSES


class Tuned(NamedTuple):
    """What was tried, errors by cell (with the weight of the priors that was chosen), by that weight and by beam, and what was
    chosen of it."""

    grid: dict[Cell, int]
    best: Cell
    priors: dict[float, int]
    prior_weight: float
    beams: dict[int, int]
    beam: int

    @property
    def lm_weight(self) -> float:
        return LM_WEIGHTS[self.best[0]]

    @property
    def word_bonus(self) -> float:
        return WORD_BONUSES[self.best[1]]


def tune(count_errors: Callable[[float, float, int, float], int]) -> Tuned:
    """The weights with the fewest errors, and the narrowest beam that has no more than that of the grid and the widest; where
    the narrowest of all is as good, the utterances do not tell beams apart, and it is the default.

    `count_errors` is asked for (lm_weight, word_bonus, beam, prior_weight).
    """

    def searched(cells: list[Cell], prior_weight: float) -> dict[Cell, int]:
        """The errors of these cells, and of those around the best until it is among its neighbours."""
        grid: dict[Cell, int] = {}
        while cells:
            for i, j in cells:
                grid[i, j] = count_errors(LM_WEIGHTS[i], WORD_BONUSES[j], GRID_BEAM, prior_weight)
            cells = [cell for cell in _around(best_cell(grid)) if cell not in grid]
        return grid

    every_second = [(i, j) for i in range(0, len(LM_WEIGHTS), 2) for j in range(0, len(WORD_BONUSES), 2)]
    grids = {0.0: searched(every_second, 0.0)}
    fewest = {0.0: min(grids[0.0].values())}
    for before, weight in pairwise(PRIOR_WEIGHTS):
        grids[weight] = searched([best_cell(grids[before])], weight)
        fewest[weight] = min(grids[weight].values())
        if fewest[weight] > fewest[before]:
            break
    prior_weight = min(fewest, key=fewest.__getitem__)  # of equals the least
    grid, best = grids[prior_weight], best_cell(grids[prior_weight])
    weights = LM_WEIGHTS[best[0]], WORD_BONUSES[best[1]]
    beams = {beam: grid[best] if beam == GRID_BEAM else count_errors(*weights, beam, prior_weight) for beam in BEAMS}
    # The fewest of all would be luck more often; a narrow beam that has it costs nothing
    enough = min(grid[best], beams[BEAMS[-1]])
    sufficient = [beam for beam in BEAMS if beams[beam] <= enough]
    beam = DEFAULT_BEAM if {BEAMS[0], DEFAULT_BEAM} <= set(sufficient) else sufficient[0]
    return Tuned(grid, best, fewest, prior_weight, beams, beam)


def best_cell(grid: dict[Cell, int]) -> Cell:
    """The cell with the fewest errors; of equals that with the fewest around it, on average: a hollow, not a hole;
    and of those that differ by less than an error there, the one nearest to the default."""

    def around(cell: Cell) -> float:
        errors = [grid[other] for other in _around(cell) if other in grid]
        return sum(errors) / len(errors) if errors else float(grid[cell])

    def away(cell: Cell) -> int:
        return (cell[0] - DEFAULT[0]) ** 2 + (cell[1] - DEFAULT[1]) ** 2

    return min(grid, key=lambda cell: (grid[cell], round(around(cell)), away(cell), cell))


def as_good(grid: dict[Cell, int]) -> int:
    """How many cells have at most one error more than the best: where they are most of them, the choice is chance."""
    return sum(errors <= min(grid.values()) + 1 for errors in grid.values())


def at_the_edge(best: Cell) -> bool:
    """Whether a weight beyond those that were tried may be better."""
    return best[0] in (0, len(LM_WEIGHTS) - 1) or best[1] in (0, len(WORD_BONUSES) - 1)


def _around(cell: Cell) -> list[Cell]:
    """The up to eight neighbours."""
    return [
        (i, j)
        for i in range(max(cell[0] - 1, 0), min(cell[0] + 2, len(LM_WEIGHTS)))
        for j in range(max(cell[1] - 1, 0), min(cell[1] + 2, len(WORD_BONUSES)))
        if (i, j) != cell
    ]
