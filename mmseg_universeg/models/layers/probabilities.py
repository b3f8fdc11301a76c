"""Mean probabilities of several logits."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def average_probabilities(levels: Sequence[Tensor], softmax: bool) -> Tensor:
    """Return logits whose sigmoid or softmax is the mean of that of several logits.

    Args:
        levels: (B, C, H, W) each; for the sigmoid of any shape.
        softmax: Whether the softmax over the channels is meant, or the sigmoid.

    Returns:
        Of that shape: log(p) for the softmax, log(p / (1 - p)) for the sigmoid.
    """
    logits = torch.stack(list(levels))
    if softmax:
        return logits.log_softmax(2).logsumexp(0) - math.log(len(logits))
    return F.logsigmoid(logits).logsumexp(0) - F.logsigmoid(-logits).logsumexp(0)
