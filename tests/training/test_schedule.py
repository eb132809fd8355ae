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
        share = (step + 1 if step < rising else step) / steps  # LinearLR begins above zero
        assert learning_rate(share, peak, rising / steps) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        scheduler.step()


@pytest.mark.parametrize("warmup", [0.0, 0.2, 1.0])
def test_the_rate_rises_to_the_peak_and_falls_to_zero(warmup):
    rates = [learning_rate(share / 1000, 1.0, warmup) for share in range(1001)]
    top = rates.index(max(rates))
    assert max(rates) == 1.0 and min(rates) >= 0 and top == pytest.approx(1000 * warmup, abs=1)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert warmup == 1.0 or rates[-1] == 0.0
