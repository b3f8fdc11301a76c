"""What the losses share: logits and labels of a batch as one map per class."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class ClassMaps:
    """Logits and labels of a batch, checked.

    Attributes:
        logits: (B, C, H, W) float32, or float64 where they came so.
        target: (B, C, H, W), of the logits' dtype: 1 where the class is, 0 elsewhere
            and where ignored.
        valid: bool, False where ignored: (B, 1, H, W) under the softmax,
            (B, C, H, W) under the sigmoid.
        weight: Weights of the pixels (B, 1, H, W), of the logits' dtype, or None.
        softmax: Whether the classes exclude each other.
    """

    logits: Tensor
    target: Tensor
    valid: Tensor
    weight: Tensor | None
    softmax: bool

    def probability(self) -> Tensor:
        """Return the predicted probabilities, (B, C, H, W).

        0 where ignored, as the target is: there the two never differ.
        """
        logits = self.logits
        probability = logits.softmax(1) if self.softmax else logits.sigmoid()
        return torch.where(self.valid, probability, 0)

    def log_likelihood(self) -> Tensor:
        """Return the logarithm of the probability given to the truth, (B, C, H, W).

        Under the softmax it is 0 for all classes but the true one.
        """
        if self.softmax:
            return torch.where(self.target > 0, self.logits.log_softmax(1), 0)
        return F.logsigmoid(self.logits * (2 * self.target - 1))

    def weighted_mean(self, values: Tensor) -> Tensor:
        """Return the sum of the weighted valid values by the number of ``valid``.

        A weight of 1 everywhere is no weight. Where nothing is valid it is 0.

        Args:
            values: (B, C, H, W).
        """
        if self.weight is not None:
            values = values * self.weight
        total = torch.where(self.valid, values, 0).sum()
        return total / self.valid.sum().clamp(min=1)


def class_maps(
    seg_logit: Tensor,
    seg_label: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    use_sigmoid: bool,
) -> ClassMaps:
    """Check logits, labels and weights and give each class its map.

    Args:
        seg_logit: (B, C, H, W) floats. One channel is the foreground's, under the
            sigmoid.
        seg_label: (B, H, W) class indices, 1 for the foreground of one channel; under
            the sigmoid also (B, C, H, W) of 0 and 1. Integers or bool.
        weight: (B, H, W), finite and not negative.
        ignore_index: Label of what does not count.
        use_sigmoid: Whether several channels are predicted each for itself.

    Raises:
        ValueError: If one of them is not as said, or a label is outside the classes.
    """
    if seg_logit.dim() != 4 or not seg_logit.numel():
        raise ValueError(
            f'logits must be (B, C, H, W), not empty; found {tuple(seg_logit.shape)}'
        )
    softmax = seg_logit.shape[1] > 1 and not use_sigmoid
    truth, valid = _read_labels(seg_label, seg_logit.shape, ignore_index, softmax)
    dtype = torch.promote_types(seg_logit.dtype, torch.float32)
    if weight is not None:
        weight = _check_weight(weight, seg_logit.shape).to(dtype).unsqueeze(1)
    return ClassMaps(
        logits=seg_logit.to(dtype),
        target=(truth & valid).to(dtype),
        valid=valid if softmax else valid.expand_as(truth),
        weight=weight,
        softmax=softmax,
    )


def _read_labels(
    label: Tensor, shape: torch.Size, ignore_index: int, softmax: bool
) -> tuple[Tensor, Tensor]:
    """Return where each class is, (B, C, H, W), and what is not ignored, both bool."""
    batch, channels, *size = shape
    if label.is_floating_point():
        raise ValueError(f'labels must be integers or bool, found {label.dtype}')
    label = label.long()
    if label.shape == (batch, *size):
        label = label.unsqueeze(1)
        first = 1 if channels == 1 else 0
        highest = first + channels - 1
        classes = torch.arange(first, highest + 1, device=label.device)
        truth = label == classes.view(1, -1, 1, 1)
    elif label.shape == shape and not softmax:
        highest = 1
        truth = label == 1
    else:
        also = '' if softmax else f' or {tuple(shape)}'
        raise ValueError(
            f'logits {tuple(shape)} want labels {(batch, *size)}{also}, '
            f'found {tuple(label.shape)}'
        )
    valid = label != ignore_index
    wrong = valid & ((label < 0) | (label > highest))
    if wrong.any():
        raise ValueError(
            f'labels {label[wrong].unique()[:10].tolist()} are outside the classes, '
            f'wanted 0 to {highest} or {ignore_index}'
        )
    return truth, valid


def _check_weight(weight: Tensor, shape: torch.Size) -> Tensor:
    wanted = (shape[0], *shape[2:])
    if weight.shape != wanted:
        raise ValueError(
            f'weights must be {wanted} for logits {tuple(shape)}, '
            f'found {tuple(weight.shape)}'
        )
    if not ((weight >= 0) & weight.isfinite()).all():
        raise ValueError(
            'weights must be finite and not negative, found '
            f'{weight.min().item()} to {weight.max().item()}'
        )
    return weight


def class_factors(class_weight: Sequence[float] | None, logits: Tensor) -> Tensor:
    """Return a factor for each channel of the logits, (C,); ones for None.

    Raises:
        ValueError: If there is not one for each channel, or one is negative.
    """
    channels = logits.shape[1]
    if class_weight is None:
        return logits.new_ones(channels)
    if len(class_weight) != channels or min(class_weight) < 0:
        raise ValueError(
            f'class_weight must be {channels} numbers, none negative, one for each '
            f'channel of the logits; found {list(class_weight)}'
        )
    return logits.new_tensor(class_weight)


def mean_of_classes(losses: Tensor, include_background: bool) -> Tensor:
    """Return the mean of the classes' losses, a scalar.

    Args:
        losses: (C,) or (B, C).
        include_background: Whether the first of several classes counts.
    """
    if losses.shape[-1] > 1 and not include_background:
        losses = losses[..., 1:]
    return losses.mean()
