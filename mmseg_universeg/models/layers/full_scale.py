"""A 3x3 convolution of an upsampled map, computed from the small map."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpsampledConv(nn.Conv2d):
    """Bilinear upsampling and a 3x3 convolution, in a fraction of the time.

    A 3x3 convolution is the sum of nine 1x1 convolutions of the map, shifted by up to
    one pixel each way. Upsampling treats each channel alone, so it may as well follow
    the 1x1 convolutions: they all are one 1x1 convolution of the small map. What
    remains, upsampling, shifting and adding, is one matrix product along the width and
    one along the height.

    Parameters and state dict are those of ``nn.Conv2d(in_channels, out_channels, 3,
    padding=1)``; results and gradients are, up to rounding, those of this convolution
    after ``F.interpolate(scale_factor=ratio, mode='bilinear')``. On maps so large that
    the products would be more work than that, it is computed just so.

    Args:
        in_channels: Channels of the small map.
        out_channels: Channels of the result.
        ratio: Factor by which height and width grow; 1 for a mere convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)
        self.ratio = ratio

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, ``out_channels``, ``ratio`` * H, ``ratio`` * W).

        Args:
            maps: (B, ``in_channels``, H, W).
        """
        if self.ratio == 1:
            return super().forward(maps)
        if not self.is_worthwhile(*maps.shape[2:]):
            return super().forward(
                F.interpolate(maps, scale_factor=self.ratio, mode='bilinear')
            )
        height, width = maps.shape[2:]
        kernels = self.weight.permute(0, 2, 3, 1).reshape(-1, self.in_channels, 1, 1)
        # Upsampling keeps constants: the bias goes with the middle kernel of the nine.
        biases = F.pad(self.bias[:, None], (4, 4)).flatten()
        maps = F.conv2d(maps, kernels, biases).reshape(-1, 3, 3, height, width)
        # Along the width, adding up the columns of the kernel; then along the height,
        # adding up its rows.
        to_width = shifted_upsampling(width, self.ratio, maps)
        to_height = shifted_upsampling(height, self.ratio, maps).T
        maps = maps.transpose(2, 3).flatten(3) @ to_width
        maps = to_height @ maps.flatten(1, 2)
        return maps.unflatten(0, (-1, self.out_channels))

    def is_worthwhile(self, height: int, width: int) -> bool:
        """Whether a small map (height, width) is best convolved before upsampling."""
        # Multiplications for each value of the result.
        plain = 9 * self.in_channels
        products = 9 * width / self.ratio + 3 * height
        return plain / self.ratio**2 + products < plain


def shifted_upsampling(length: int, ratio: int, like: Tensor) -> Tensor:
    """Return the matrix that upsamples three lines, shifts and adds them.

    Entry (d * length + i, y) is the weight of pixel i of line d in pixel y of the
    result: that of pixel i in pixel ``y + d - 1`` of the upsampled line, 0 outside.

    Args:
        length: Pixels of a line.
        ratio: Factor of the bilinear upsampling, corners not aligned.
        like: A tensor of the dtype and on the device that are wanted.

    Returns:
        (3 * ``length``, ``ratio`` * ``length``).
    """
    pixels = torch.eye(length, dtype=like.dtype, device=like.device)
    lines = F.interpolate(pixels[None], scale_factor=ratio, mode='linear')[0]
    shifts = F.pad(lines, (1, 1)).unfold(1, lines.shape[1], 1)
    return shifts.transpose(0, 1).flatten(0, 1)
