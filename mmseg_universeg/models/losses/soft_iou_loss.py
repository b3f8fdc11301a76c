"""Soft intersection over union."""

from mmseg.registry import MODELS
from torch import Tensor, nn

from .class_maps import class_maps, mean_of_classes


@MODELS.register_module()
class SoftIoULoss(nn.Module):
    """``1 - (sum(p y) + smooth) / (sum(p + y - p y) + smooth)``, in [0, 1].

    p are probabilities and y targets in {0, 1}; each class has its loss, the mean is
    taken. A class absent from the labels counts: it costs 0 where it is predicted
    nowhere. Ignored pixels do not count. Computed in float32 at least.

    The IoU term of UNet 3+ (Huang et al., ICASSP 2020), whose released code pools the
    classes and gives NaN where nothing is labelled and nothing predicted.

    Args:
        use_sigmoid: Predict each class for itself, so that classes may overlap. One
            channel always is: it is the foreground.
        per_image: Take the loss of each image, then their mean, instead of one over
            the whole batch.
        include_background: Whether the first of several classes counts.
        smooth: Pixels added to intersection and union; more than 0.
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.

    Raises:
        ValueError: If ``smooth`` is not positive.
    """

    def __init__(
        self,
        *,
        use_sigmoid: bool = False,
        per_image: bool = False,
        include_background: bool = True,
        smooth: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_iou',
    ) -> None:
        super().__init__()
        if smooth <= 0:
            raise ValueError(f'smooth must be positive, found {smooth}')
        self.use_sigmoid = use_sigmoid
        self.per_image = per_image
        self.include_background = include_background
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
            weight: Weights of the pixels (B, H, W), which other losses of the same
                head may want; checked, otherwise without effect.
            ignore_index: Label of what does not count.

        Raises:
            ValueError: If one of them is not as said, or a label is outside the
                classes.
        """
        maps = class_maps(seg_logit, seg_label, weight, ignore_index, self.use_sigmoid)
        probability, target = maps.probability(), maps.target
        # Union less intersection by union, exact for targets of 0 and 1: rounding
        # can make neither negative.
        apart = (probability - target).abs()
        union = probability + target - probability * target
        summed = (2, 3) if self.per_image else (0, 2, 3)
        losses = apart.sum(summed) / (union.sum(summed) + self.smooth)
        return self.loss_weight * mean_of_classes(losses, self.include_background)
