"""The decoder of U-Net."""

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import SkipNode
from .skip_decode_head import SkipDecodeHead


@MODELS.register_module()
class UNetHead(SkipDecodeHead):
    """One node per row: the map below upsampled, joined with the feature of the row.

    U-Net (Ronneberger et al. 2015, figure 1). With `UNetEncoder` it is the U-Net, or
    with ``residual=True`` in both the Residual U-Net; with MobileNetV2 or EfficientNet
    it is called Mobile-UNet or Eff-UNet.

    Args:
        in_channels: Channels of the backbone's features, finest first; two or more.
        widths: Channels of the decoder's rows, finest first, one fewer than
            ``in_channels``; by default those of the features.
        dropout: See `DoubleConv`.
        residual: See `DoubleConv`.
        **kwargs: See `SkipDecodeHead`; ``channels`` is the first of ``widths``.

    Raises:
        ValueError: If the numbers of ``widths`` and ``in_channels`` do not fit, or see
            `SkipDecodeHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        widths: Sequence[int] | None = None,
        dropout: float = 0.0,
        residual: bool = False,
        **kwargs,
    ) -> None:
        widths = self.choose_widths(in_channels, widths)
        super().__init__(in_channels, widths[0], **kwargs)
        below = (*widths[1:], in_channels[-1])
        self.nodes = nn.ModuleList(
            SkipNode(
                below[row],
                in_channels[row],
                width,
                factor=self.strides[row + 1] // self.strides[row],
                norm_cfg=self.norm_cfg,
                act_cfg=self.act_cfg,
                dropout=dropout,
                residual=residual,
            )
            for row, width in enumerate(widths)
        )
        # Inputs follow the weights: the faster layout for convolutions.
        self.to(memory_format=torch.channels_last)

    def forward_levels(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits (B, ``out_channels``, h, w) at the finest feature's size.

        Args:
            features: See `SkipDecodeHead`.
        """
        *skips, maps = features
        for node, skip in zip(reversed(self.nodes), reversed(skips)):
            maps = node(maps, [skip])
        return [self.cls_seg(maps)]
