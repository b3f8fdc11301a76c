"""Two 3x3 convolutions in a row as one 5x5, exact at the border too.

With zero padding the two forms differ on the outermost ring of pixels: the second of
two convolutions finds zeros outside the image, the composed one finds there what the
first convolution would have made of the image. That surplus is linear in the outermost
rows and columns of the image alone, so it is computed from them and taken away.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def composed_macs(in_channels: int) -> int:
    """Multiplications of the composed form per output value."""
    return 25 * in_channels


def corners_of(maps: Tensor) -> Tensor:
    """The four corner pixels (N, C, 2, 2) of maps (N, C, H, W), as a view."""
    return maps[:, :, :: maps.shape[2] - 1, :: maps.shape[3] - 1]


class AddRim(torch.autograd.Function):
    """Add to the outermost rows, columns and corners of maps in place.

    The same slices added by autograd would copy the whole gradient for each of them.
    """

    @staticmethod
    def forward(
        ctx,
        maps: Tensor,
        top: Tensor,
        bottom: Tensor,
        left: Tensor,
        right: Tensor,
        corners: Tensor,
    ) -> Tensor:
        """Take maps (N, C, H, W), rows (N, C, W), columns, corners (N, C, 2, 2)."""
        maps[:, :, 0] += top
        maps[:, :, -1] += bottom
        maps[..., 0] += left
        maps[..., -1] += right
        corners_of(maps).add_(corners)
        ctx.mark_dirty(maps)
        return maps

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:
        return (
            grad,
            grad[:, :, 0],
            grad[:, :, -1],
            grad[..., 0],
            grad[..., -1],
            corners_of(grad),
        )


class ComposedConv:
    """`x -> conv(conv(x, inner), outer)`, both 3x3 with padding 1 and no bias.

    The kernels are composed once, in the precision of the weights (also under
    autocast), and differentiably; a call then costs `25 * c` multiplications per
    output value instead of `9 * c + 9 * f`.

    Args:
        inner: (f, c, 3, 3).
        outer: (o, f, 3, 3).
    """

    def __init__(self, inner: Tensor, outer: Tensor):
        with torch.autocast(inner.device.type, enabled=False):
            flipped = inner.transpose(0, 1).flip(2, 3)
            self.kernel = F.conv2d(outer, flipped, padding=2)
            # (o, c, 5) each: what lies one row above (below) the image, as seen
            # through the outer kernel's first (last) row; the same for columns.
            self.top = F.conv1d(outer[:, :, 0], flipped[:, :, 0], padding=2)
            self.bottom = F.conv1d(outer[:, :, 2], flipped[:, :, 2], padding=2)
            self.left = F.conv1d(outer[..., 0], flipped[..., 0], padding=2)
            self.right = F.conv1d(outer[..., 2], flipped[..., 2], padding=2)
            # (2, 2, o, c): the corners, which rows and columns both take away.
            self.corners = torch.einsum(
                'ofyx,cfyx->yxoc', outer[..., ::2, ::2], flipped[..., ::2, ::2]
            )

    def __call__(self, maps: Tensor) -> Tensor:
        """Convolve (N, c, H, W), H and W at least 2, to (N, o, H, W)."""
        return AddRim.apply(
            F.conv2d(maps, self.kernel, padding=2),
            -F.conv1d(maps[:, :, 0], self.top, padding=2),
            -F.conv1d(maps[:, :, -1], self.bottom, padding=2),
            -F.conv1d(maps[..., 0], self.left, padding=2),
            -F.conv1d(maps[..., -1], self.right, padding=2),
            torch.einsum('ncyx,yxoc->noyx', corners_of(maps), self.corners),
        )
