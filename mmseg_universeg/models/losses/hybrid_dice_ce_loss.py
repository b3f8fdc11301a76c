"""Dice loss and cross-entropy together."""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor, nn

from .class_maps import ClassMaps, class_factors, class_maps, mean_of_classes


@MODELS.register_module()
class HybridDiceCELoss(nn.Module):
    """``dice_weight * Dice loss + ce_weight * cross-entropy``, never negative.

    With probabilities p and targets y in {0, 1}, sums over the pixels:

    - Dice loss of a class (Milletari et al., V-Net, 2016), in [0, 1]:
      ``1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth)``, meaned over the
      classes. A class absent from the labels counts: it costs 0 where it is
      predicted nowhere, and the more the more of it is predicted.
    - Cross-entropy: softmax, ``-log(p)`` of the true class; sigmoid, binary
      cross-entropy of each class. Mean over the pixels that are not ignored, with the
      sigmoid over the pixels of each class.

    Ignored pixels count in neither term. Per-pixel weights are factors of the
    pixels' cross-entropies. The mean still divides by the number of pixels, not by
    the sum of weights, so that 1 everywhere changes nothing and the weight map of the
    U-Net raises the loss. The Dice loss takes no weights. Computed in float32 at
    least.

    The losses of two papers, both for ``out_channels=1``::

        # UNet++ (Zhou et al., DLMIA 2018, as released): Dice of the whole batch. The
        # authors subtract the Dice score and leave out 1 -: their value is ours - 1.
        dict(type='HybridDiceCELoss', ce_weight=0.5)
        # MedSAM (Ma et al., Nat. Commun. 2024)
        dict(type='HybridDiceCELoss', squared=True, per_image=True, smooth=1e-5)

    Args:
        dice_weight: Factor of the Dice loss.
        ce_weight: Factor of the cross-entropy.
        use_sigmoid: Predict each class for itself, so that classes may overlap. One
            channel always is: it is the foreground.
        squared: ``sum(p^2) + sum(y^2)`` in the Dice loss's denominator.
        per_image: Take the Dice loss of each image, then their mean, instead of
            one over the whole batch. Over the batch, fewer classes are absent.
        include_background: Whether the first of several classes counts in the Dice
            loss. In the cross-entropy it does.
        class_weight: Factor of each class, C numbers: of its Dice loss, and of the
            cross-entropy of its pixels (softmax) or its channel (sigmoid). The means
            still divide by the numbers of classes and of pixels.
        smooth: Pixels added to overlap and sizes; more than 0.
        loss_weight: Factor of the whole loss.
        loss_name: Its name in the log.

    Raises:
        ValueError: If ``smooth`` is not positive, or a factor is negative.
    """

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        ce_weight: float = 1.0,
        use_sigmoid: bool = False,
        squared: bool = False,
        per_image: bool = False,
        include_background: bool = True,
        class_weight: Sequence[float] | None = None,
        smooth: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice_ce',
    ) -> None:
        super().__init__()
        if min(dice_weight, ce_weight) < 0:
            raise ValueError(
                'dice_weight and ce_weight must not be negative, found '
                f'{dice_weight} and {ce_weight}'
            )
        if smooth <= 0:
            raise ValueError(f'smooth must be positive, found {smooth}')
        self.dice_weight = dice_weight
        self.ce_weight = ce_weight
        self.use_sigmoid = use_sigmoid
        self.squared = squared
        self.per_image = per_image
        self.include_background = include_background
        self.class_weight = class_weight
        self.smooth = smooth
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
            weight: Weights of the pixels (B, H, W), finite and not negative.
            ignore_index: Label of what does not count.

        Raises:
            ValueError: If one of them is not as said, a label is outside the classes,
                or ``class_weight`` does not hold C numbers.
        """
        maps = class_maps(seg_logit, seg_label, weight, ignore_index, self.use_sigmoid)
        factors = class_factors(self.class_weight, maps.logits)
        loss = self.dice_weight * self.dice(maps, factors)
        loss = loss + self.ce_weight * self.cross_entropy(maps, factors)
        return self.loss_weight * loss

    def dice(self, maps: ClassMaps, factors: Tensor) -> Tensor:
        """Return the mean Dice loss of the classes, a scalar.

        Args:
            maps: Logits and labels.
            factors: Of the classes, (C,).
        """
        probability, target = maps.probability(), maps.target
        # 1 - Dice as a ratio of two sums, exact for targets of 0 and 1: rounding
        # can make neither negative.
        if self.squared:
            apart = (probability - target) ** 2
            sizes = probability**2 + target
        else:
            apart = (probability - target).abs()
            sizes = probability + target
        summed = (2, 3) if self.per_image else (0, 2, 3)
        losses = apart.sum(summed) / (sizes.sum(summed) + self.smooth)
        return mean_of_classes(factors * losses, self.include_background)

    def cross_entropy(self, maps: ClassMaps, factors: Tensor) -> Tensor:
        """Return the mean cross-entropy, a scalar; arguments as in `dice`."""
        return maps.weighted_mean(-maps.log_likelihood() * factors.view(-1, 1, 1))
