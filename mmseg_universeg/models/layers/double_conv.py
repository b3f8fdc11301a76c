"""The double convolution of the U-Net family."""

from mmcv.cnn import ConvModule, build_activation_layer
from torch import Tensor, nn


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by normalisation, activation and dropout.

    Maps keep their height and width: zeros are padded, as in UNet++ (Zhou et al.
    2018) and most successors of the U-Net (Ronneberger et al. 2015), which did not.

    Args:
        in_channels: Channels of the input.
        channels: Channels of both convolutions.
        norm_cfg: Normalisation as mmcv has it: ``dict(type='BN')``,
            ``dict(type='IN')``, which scales and shifts with ``affine=True`` only,
            ``dict(type='GN', num_groups=8)``; ``None`` for none.
        act_cfg: Activation as mmcv has it.
        dropout: Probability with which a single value is dropped, after each of the
            two activations.
        residual: Whether to add the input before the second activation (He et al.
            2016, figure 2); where its channels differ, through a 1x1 convolution with
            normalisation.
        bias: Whether the convolutions have a bias; ``'auto'``: without normalisation,
            most of which takes a bias away again.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        norm_cfg: dict | None,
        act_cfg: dict,
        dropout: float = 0.0,
        residual: bool = False,
        bias: bool | str = 'auto',
    ) -> None:
        super().__init__()
        settings = dict(norm_cfg=norm_cfg, bias=bias)
        self.first = ConvModule(
            in_channels, channels, 3, padding=1, act_cfg=act_cfg, **settings
        )
        self.second = ConvModule(
            channels, channels, 3, padding=1, act_cfg=None, **settings
        )
        self.shortcut = None
        if residual:
            self.shortcut = (
                nn.Identity()
                if in_channels == channels
                else ConvModule(in_channels, channels, 1, act_cfg=None, **settings)
            )
        self.act = build_activation_layer(act_cfg)
        self.dropout = nn.Dropout(dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, ``channels``, H, W) of maps (B, ``in_channels``, H, W)."""
        out = self.second(self.dropout(self.first(maps)))
        if self.shortcut is not None:
            out = out + self.shortcut(maps)
        return self.dropout(self.act(out))
