"""Focal loss of one or several classes."""

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from .class_maps import ClassMaps, class_factors, class_maps


@MODELS.register_module()
class MulticlassFocalLoss(nn.Module):
    """``-alpha * (1 - p)^gamma * log(p)``, p the probability given to the truth.

    Lin et al., 2017, equations 4 and 5. Softmax: p is that of the true class, the
    mean is over pixels. Sigmoid: p is that of being of the class or not, the mean
    is over the pixels of each class. Ignored pixels do not count. With
    ``gamma=0`` this is the cross-entropy. Computed in float32 at least.

    MMSeg's `FocalLoss` fails on a CPU and has no softmax.

    Args:
        use_sigmoid: Predict each class for itself, so that classes may overlap. One
            channel always is: it is the foreground.
        gamma: Exponent, 0 or more: how little the well classified pixels count.
        alpha: Factor of the foreground, in [0, 1]; that of the background is
            ``1 - alpha``. Under the softmax class 0 is the background, under the
            sigmoid the pixels that are not of the class. By default 1 for both.
        class_weight: Factor of each class, C numbers: of its pixels (softmax) or its
            channel (sigmoid). The mean still divides by the number of pixels.
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.

    Raises:
        ValueError: If ``gamma`` is negative, or ``alpha`` outside [0, 1].
    """

    def __init__(
        self,
        *,
        use_sigmoid: bool = False,
        gamma: float = 2.0,
        alpha: float | None = None,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f'gamma must not be negative, found {gamma}')
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f'alpha must be in [0, 1], found {alpha}')
        self.use_sigmoid = use_sigmoid
        self.gamma = gamma
        self.alpha = alpha
        self.class_weight = class_weight
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        seg_logit: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return the loss, a scalar.

        Args:
            seg_logit: (B, C, H, W) floats, before softmax or sigmoid.
            seg_label: (B, H, W) class indices, 1 for the foreground of one channel;
                under the sigmoid also (B, C, H, W) of 0 and 1. Integers or bool.
            weight: Factors of the pixels (B, H, W), finite and not negative; the mean
                divides by the number of pixels, not by their sum.
            ignore_index: Label of what does not count.

        Raises:
            ValueError: If one of them is not as said, a label is outside the classes,
                or ``class_weight`` does not hold C numbers.
        """
        maps = class_maps(seg_logit, seg_label, weight, ignore_index, self.use_sigmoid)
        log_likelihood = maps.log_likelihood()
        missing = -torch.expm1(log_likelihood)
        # The slope of the power is infinite at 0 for gamma below 1.
        missing = missing.clamp(min=torch.finfo(missing.dtype).tiny)
        factors = class_factors(self.class_weight, maps.logits).view(-1, 1, 1)
        if self.alpha is not None:
            factors = factors * self.balance(maps)
        losses = factors * missing**self.gamma * -log_likelihood
        return self.loss_weight * maps.weighted_mean(losses)

    def balance(self, maps: ClassMaps) -> Tensor:
        """Return the factors of foreground and background, to broadcast."""
        foreground = maps.target
        if maps.softmax:
            foreground = torch.ones_like(maps.logits[0, :, :1, :1])
            foreground[0] = 0
        return self.alpha * foreground + (1 - self.alpha) * (1 - foreground)
