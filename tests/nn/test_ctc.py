"""The CTC loss against the sum over all paths, and whether labels fit against trying all paths."""

from itertools import groupby, product

import numpy as np
import pytest
import torch

from speechrnn.nn.ctc import consistency_loss, ctc_loss, frames_needed

TOKENS = 3


def collapse(path):
    """Graves' B: repeats merged, then blanks removed."""
    return tuple(token for token, _ in groupby(path) if token)


def label_sequences(longest):
    return [labels for n in range(longest + 1) for labels in product(range(1, TOKENS), repeat=n)]


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_the_loss_is_the_sum_over_all_paths(frames):
    log_probs = torch.randn(frames, TOKENS, generator=torch.Generator().manual_seed(frames)).log_softmax(-1)
    likelihood = {}
    for path in product(range(TOKENS), repeat=frames):
        score = np.exp(sum(float(log_probs[t, token]) for t, token in enumerate(path)))
        likelihood[collapse(path)] = likelihood.get(collapse(path), 0.0) + score
    assert sum(likelihood.values()) == pytest.approx(1, abs=1e-6)
    candidates = label_sequences(4)
    losses = ctc_loss(
        log_probs.expand(len(candidates), frames, TOKENS),
        torch.full((len(candidates),), frames),
        torch.tensor([token for labels in candidates for token in labels]),
        torch.tensor([len(labels) for labels in candidates]),
    )
    for labels, loss in zip(candidates, losses.tolist(), strict=True):
        assert np.isinf(loss) == (labels not in likelihood) == (frames_needed(labels) > frames)
        if labels in likelihood:
            assert loss == pytest.approx(-np.log(likelihood[labels]), abs=1e-5)


@pytest.mark.parametrize("labels", label_sequences(4))
def test_frames_needed_is_the_shortest_path(labels):
    shortest = next(
        frames for frames in range(9) if any(collapse(path) == labels for path in product(range(TOKENS), repeat=frames))
    )
    assert frames_needed(labels) == shortest


def test_frames_beyond_the_length_do_not_count_and_labels_may_be_padded():
    torch.manual_seed(0)
    log_probs = torch.randn(2, 9, TOKENS).log_softmax(-1)
    lengths, label_lengths = torch.tensor([9, 4]), torch.tensor([3, 2])
    concatenated = ctc_loss(log_probs, lengths, torch.tensor([1, 2, 1, 2, 2]), label_lengths)
    as_rows = ctc_loss(log_probs, lengths, torch.tensor([[1, 2, 1], [2, 2, 0]]), label_lengths)
    alone = ctc_loss(log_probs[1:, :4], torch.tensor([4]), torch.tensor([2, 2]), torch.tensor([2]))
    torch.testing.assert_close(concatenated, as_rows)
    torch.testing.assert_close(concatenated[1:], alone)


def test_the_loss_is_float32_even_under_autocast():
    log_probs = torch.randn(1, 50, TOKENS).log_softmax(-1)
    arguments = torch.tensor([50]), torch.tensor([1, 2, 1]), torch.tensor([3])
    with torch.autocast("cpu", torch.bfloat16):
        inside = ctc_loss(log_probs, *arguments)
    assert inside.dtype == torch.float32 and torch.equal(inside, ctc_loss(log_probs, *arguments))
    rounded = log_probs.bfloat16()
    assert torch.equal(ctc_loss(rounded, *arguments), ctc_loss(rounded.float(), *arguments))


def test_the_disagreement_of_two_views_is_the_symmetric_divergence_over_valid_frames():
    torch.manual_seed(0)
    one, two = torch.randn(3, 7, TOKENS).log_softmax(-1), torch.randn(3, 7, TOKENS).log_softmax(-1)
    lengths = [7, 1, 4]
    loss = consistency_loss(torch.cat([one, two]), torch.tensor(lengths * 2))
    for row, (a, b, length) in enumerate(zip(one, two, lengths, strict=True)):
        both = [
            torch.nn.functional.kl_div(p[:length], q[:length], log_target=True, reduction="sum")
            for p, q in ((a, b), (b, a))
        ]
        torch.testing.assert_close(loss[row], 0.5 * sum(both))
    assert not consistency_loss(torch.cat([one, one]), torch.tensor(lengths * 2)).any()


def test_each_view_learns_from_the_other_as_it_stands():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, TOKENS, requires_grad=True)
    consistency_loss(logits.log_softmax(-1), torch.tensor([3, 3])).sum().backward()
    # The gradient of KL(teacher || softmax(logits)) with a fixed teacher is softmax(logits) - teacher
    probabilities = logits.detach().softmax(-1)
    expected = 0.5 * (probabilities - probabilities.flip(0))
    torch.testing.assert_close(logits.grad[:, :3], expected[:, :3])
    assert not logits.grad[:, 3:].any()
