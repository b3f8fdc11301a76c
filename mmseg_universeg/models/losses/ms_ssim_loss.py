"""Structural similarity of predicted and true maps at several scales."""

import logging
import math
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from .class_maps import class_maps

# Wang et al., 2003: exponents of the scales, the window, the constants for values
# in [0, 1].
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2


@MODELS.register_module()
class MSSSIMLoss(nn.Module):
    """1 - MS-SSIM of each class's probabilities and target, meaned; in [0, 1].

    MS-SSIM (Wang et al., 2003) is the product over five scales, each half the size of
    the one before, of the mean contrast term, and at the last scale of the mean
    SSIM, to the powers 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. The means are those of
    one class of one image, over all places of a Gaussian window of 11 pixels (sigma
    1.5) inside the map. A negative mean counts as 0.

    Five scales want more than 160 pixels in height and width. A smaller image is
    compared at as many scales as have room for the window, the exponents made to sum
    to 1; below 11 pixels at one scale, with a window as high or wide as the image. The
    first such image is reported in the log.

    Ignored pixels are 0 in both maps, so that no difference is found there; they do
    count as pixels that agree. Computed in float32 at least.

    The loss of UNet 3+ (Huang et al., ICASSP 2020) is::

        loss_decode=[
            dict(type='MulticlassFocalLoss'),
            dict(type='MSSSIMLoss'),
            dict(type='SoftIoULoss'),
        ]

    Args:
        use_sigmoid: Predict each class for itself, so that classes may overlap. One
            channel always is: it is the foreground.
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.
    """

    def __init__(
        self,
        *,
        use_sigmoid: bool = False,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ms_ssim',
    ) -> None:
        super().__init__()
        self.use_sigmoid = use_sigmoid
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.reported = False

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
        scales = self.count_scales(*seg_logit.shape[2:])
        exponents = EXPONENTS[:scales]
        if scales < len(EXPONENTS):
            exponents = [exponent / sum(exponents) for exponent in exponents]
        similarity = ms_ssim(maps.probability(), maps.target, exponents)
        return self.loss_weight * (1 - similarity).mean()

    def count_scales(self, height: int, width: int) -> int:
        """Return at how many scales the window fits, 1 to 5; report fewer once."""
        scales = 1
        while (
            scales < len(EXPONENTS)
            and math.ceil(min(height, width) / 2**scales) >= WINDOW
        ):
            scales += 1
        if scales < len(EXPONENTS) and not self.reported:
            self.reported = True
            print_log(
                f'MSSSIMLoss: images of {height} x {width} pixels are compared at '
                f'{scales} of {len(EXPONENTS)} scales; all want more than 160 pixels',
                logger='current',
                level=logging.WARNING,
            )
        return scales


def ms_ssim(first: Tensor, second: Tensor, exponents: Sequence[float]) -> Tensor:
    """Return the MS-SSIM of each pair of maps, (B, C), in [0, 1].

    Args:
        first: (B, C, H, W), values in [0, 1].
        second: As ``first``.
        exponents: Of the scales, finest first.
    """
    similarity = 1
    for scale, exponent in enumerate(exponents, 1):
        if scale > 1:
            first, second = (
                F.avg_pool2d(maps, 2, ceil_mode=True) for maps in (first, second)
            )
        luminance, contrast = compare(first, second)
        if scale == len(exponents):
            contrast = luminance * contrast
        mean = contrast.mean((2, 3))
        # The clamp keeps the slope of the power finite near 0.
        similarity = similarity * (mean > 0) * mean.clamp(1e-6, 1) ** exponent
    return similarity


def compare(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the luminance and the contrast term of SSIM at every place of the window.

    With means m, variances v and covariance c of x and y, they are
    ``(2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)`` and ``(2 c + C2) / (v_x + v_y + C2)``.
    Written as 1 less a ratio, of which rounding can make neither part negative.

    Args:
        first: (B, C, H, W), values in [0, 1].
        second: As ``first``.
    """
    channels = first.shape[1]
    mean_first, mean_second, mean_squares, mean_gap = window_means(
        torch.cat([first, second, first**2 + second**2, (first - second) ** 2], dim=1)
    ).split(channels, dim=1)
    gap_of_means = (mean_first - mean_second) ** 2
    squares_of_means = mean_first**2 + mean_second**2
    variance_of_gap = (mean_gap - gap_of_means).clamp(min=0)
    variances = (mean_squares - squares_of_means).clamp(min=0)
    luminance = 1 - gap_of_means / (squares_of_means + C1)
    contrast = 1 - variance_of_gap / (variances + C2)
    return luminance, contrast


def window_means(maps: Tensor) -> Tensor:
    """Return the Gaussian means of all windows that lie inside the maps.

    A matrix product along the width and one along the height, in full precision
    under autocast too: the variances need all digits, which a convolution on a GPU
    rounds to TF32. The work for a pixel grows with the sides of the maps.

    Args:
        maps: (B, C, H, W).

    Returns:
        (B, C, H - 10, W - 10); 1 instead of H - 10 for H below 11, W likewise.
    """
    with torch.autocast(maps.device.type, enabled=False):
        means = maps @ window_weights(maps.shape[3], maps)
        return window_weights(maps.shape[2], maps).T @ means


def window_weights(length: int, like: Tensor) -> Tensor:
    """Return the matrix that turns a line of pixels into the means of its windows.

    Args:
        length: Pixels of a line.
        like: A tensor of the dtype and on the device that are wanted.

    Returns:
        (``length``, ``length`` - 10), or (``length``, 1) below 11 pixels.
    """
    taps = like.new_tensor(gaussian(min(WINDOW, length)))
    pixels = torch.eye(length, dtype=like.dtype, device=like.device)
    return (pixels.unfold(1, len(taps), 1) * taps).sum(2)


def gaussian(length: int) -> list[float]:
    """Return a Gaussian of SIGMA pixels, as many values as said, which sum to 1."""
    middle = (length - 1) / 2
    values = [
        math.exp(-((place - middle) ** 2) / (2 * SIGMA**2)) for place in range(length)
    ]
    return [value / sum(values) for value in values]
