"""A node of the decoders of U-Net and UNet++."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .double_conv import DoubleConv


class SkipNode(nn.Module):
    """Upsample the map below, join it with the maps of the row, convolve twice.

    The upsampling is a transposed convolution whose kernel is as large as its stride,
    so that each pixel below makes the square of pixels that it covers, and no other.
    At ``factor=1`` it is a 1x1 convolution.

    Args:
        below: Channels of the map below, the coarser one.
        skips: Channels of the maps of the row, all together.
        channels: Channels of the upsampled map and of the output.
        factor: Pixels of the row per pixel below, in height and in width.
        **kwargs: What `DoubleConv` takes by keyword.
    """

    def __init__(
        self, below: int, skips: int, channels: int, *, factor: int, **kwargs
    ) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(below, channels, factor, stride=factor)
        self.conv = DoubleConv(channels + skips, channels, **kwargs)

    def forward(self, below: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return a map (B, ``channels``, H, W).

        Args:
            below: (B, ``below``, H / ``factor``, W / ``factor``).
            skips: (B, C_i, H, W) each; joined after the upsampled map, in this order.
        """
        return self.conv(torch.cat([self.up(below), *skips], dim=1))
