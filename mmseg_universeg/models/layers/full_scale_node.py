"""A node of the decoder of UNet 3+."""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F

from .full_scale import UpsampledConv


class FullScaleNode(nn.Module):
    """Bring the maps of all rows to the size of one, join and convolve them.

    UNet 3+ (Huang et al. 2020, section 2.1): finer maps are max pooled, coarser ones
    upsampled; each passes a 3x3 convolution, and the joined maps another. The
    normalisation that follows the first convolutions acts on the joined maps; for
    batch and instance normalisation that is the same as on each alone.

    As in the released code the convolutions have a bias with any normalisation.

    Args:
        in_channels: Channels of the maps, finest first.
        strides: Pixels of the image per pixel of each map, each a multiple of the one
            before.
        row: Number of the map whose size the output has, from 0 for the finest.
        branch_channels: Channels that each map contributes.
        norm_cfg: Normalisation as mmcv has it, ``None`` for none.
        act_cfg: Activation as mmcv has it.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        row: int,
        branch_channels: int,
        *,
        norm_cfg: dict | None,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.pools = [max(strides[row] // stride, 1) for stride in strides]
        self.branches = nn.ModuleList(
            UpsampledConv(channels, branch_channels, max(stride // strides[row], 1))
            for channels, stride in zip(in_channels, strides)
        )
        channels = len(in_channels) * branch_channels
        self.norm = build_norm(norm_cfg, channels)
        self.act = build_activation_layer(act_cfg)
        self.fusion = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            build_norm(norm_cfg, channels),
            build_activation_layer(act_cfg),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (B, n * ``branch_channels``, h, w), n the number of maps.

        Args:
            maps: (B, ``in_channels[i]``, H / ``strides[i]``, W / ``strides[i]``) each.
        """
        # Without a name for what is joined, nothing keeps it past its normalisation.
        normed = self.norm(
            torch.cat(
                [
                    branch(F.max_pool2d(one, pool) if pool > 1 else one)
                    for branch, pool, one in zip(self.branches, self.pools, maps)
                ],
                dim=1,
            )
        )
        return self.fusion(self.act(normed))


def build_norm(norm_cfg: dict | None, channels: int) -> nn.Module:
    """Return the normalisation of a number of channels, or none."""
    if norm_cfg is None:
        return nn.Identity()
    return build_norm_layer(norm_cfg, channels)[1]
