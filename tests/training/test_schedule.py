"""The learning rate against torch's schedulers."""

import pytest
import torch
from torch.optim import lr_scheduler

from speechrnn.training.schedule import learning_rate


@pytest.mark.parametrize("steps, warmup", [(100, 0.2), (37, 0.33), (1000, 0.05), (10, 0.9)])
def test_warm_up_and_cosine_are_torchs(steps, warmup):
    peak, rising = 3e-3, round(warmup * steps)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    up = lr_scheduler.LinearLR(optimiser, start_factor=1 / rising, total_iters=rising - 1)
    down = lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps - rising)
    scheduler = lr_scheduler.SequentialLR(optimiser, [up, down], milestones=[rising])
    for step in range(steps):
        assert learning_rate(step, steps, peak, warmup) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 3, 50])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 1.0])
def test_any_run_starts_above_zero_and_reaches_but_never_passes_the_peak(steps, warmup):
    rates = [learning_rate(step, steps, 1.0, warmup) for step in range(steps)]
    assert rates[0] > 0 and max(rates) == 1.0 and min(rates) >= 0
    top = rates.index(1.0)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
