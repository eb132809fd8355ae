"""Connectionist temporal classification: the loss, and whether it can be met (Graves et al., ICML 2006)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from speechrnn.nn.front_end import frame_mask


def frames_needed(labels: Sequence[int]) -> int:
    """The fewest frames that can emit these labels: one each, and a blank between two equal neighbours."""
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def ctc_loss(log_probs: Tensor, frame_lengths: Tensor, labels: Tensor, label_lengths: Tensor) -> Tensor:
    """The negative log-likelihood of each utterance, (batch,) float32; infinite where the frames are too few.

    `log_probs` (batch, frames, tokens), blank 0; `labels` (batch, longest) or concatenated (sum of label_lengths,).
    """
    with torch.autocast(log_probs.device.type, enabled=False):
        return torch.nn.functional.ctc_loss(
            log_probs.float().transpose(0, 1), labels, frame_lengths, label_lengths, blank=0, reduction="none"
        )


def consistency_loss(log_probs: Tensor, frame_lengths: Tensor) -> Tensor:
    """How far two views of the same utterances disagree: the symmetric Kullback-Leibler divergence summed over frames, (batch,).

    `log_probs` (2 * batch, frames, tokens): first view, then second. Each view learns from the other as it stands, without a
    gradient through the teacher (consistency-regularised CTC, arXiv 2410.05101, equation 5).
    """
    one, two = log_probs.float().chunk(2)

    def divergence(student: Tensor, teacher: Tensor) -> Tensor:
        teacher = teacher.detach()
        return (teacher.exp() * (teacher - student)).sum(-1)

    valid = frame_mask(frame_lengths[: len(one)], one.shape[1])
    return (0.5 * (divergence(one, two) + divergence(two, one)) * valid).sum(-1)
