"""The encoder of the U-Net family."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...utils.checkpoint import check_fit
from ..layers import DoubleConv


@MODELS.register_module()
class UNetEncoder(BaseModule):
    """Double convolutions with 2x2 max pooling between them.

    As in U-Net (Ronneberger et al. 2015, figure 1), with padded convolutions. With
    residual units and normalisation it is the encoder of the Residual U-Net.

    A state dict that does not fit is an error when it is loaded, not a warning.

    Args:
        in_channels: Channels of the images.
        widths: Channels of the levels, finest first.
        norm_cfg: See `DoubleConv`.
        act_cfg: See `DoubleConv`.
        dropout: See `DoubleConv`.
        residual: See `DoubleConv`.
        bias: See `DoubleConv`; with batch normalisation UNet 3+ as published has one.
        prune: Number of the last level to be built, from 0 for the finest; by default
            all of ``widths`` are. A checkpoint with all levels loads, the levels below
            are left out. See ``prune`` of `UNetPlusPlusHead`.
        init_cfg: As MMEngine has it; by default He's normal distribution.

    Raises:
        ValueError: If ``prune`` is not the number of a level.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        *,
        norm_cfg: dict | None = None,
        act_cfg: dict = dict(type='ReLU'),  # noqa: B006
        dropout: float = 0.0,
        residual: bool = False,
        bias: bool | str = 'auto',
        prune: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Kaiming', mode='fan_in', layer='Conv2d')
        )
        if prune is not None and not 0 <= prune < len(widths):
            raise ValueError(
                f'prune must be the number of a level, from 0 to {len(widths) - 1} for '
                f'widths {tuple(widths)}; found {prune}'
            )
        self.widths = tuple(widths)
        kept = self.widths if prune is None else self.widths[: prune + 1]
        self.levels = nn.ModuleList(
            DoubleConv(
                above,
                width,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
                dropout=dropout,
                residual=residual,
                bias=bias,
            )
            for above, width in zip([in_channels, *kept], kept)
        )
        self.divisor = 2 ** (len(kept) - 1)
        # Inputs follow the weights: the faster layout for convolutions.
        self.to(memory_format=torch.channels_last)
        self.register_load_state_dict_pre_hook(type(self).check_state_dict)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the levels, (B, ``widths[i]``, H / 2**i, W / 2**i) each.

        Args:
            images: (B, ``in_channels``, H, W).

        Raises:
            ValueError: If H or W is not a multiple of the coarsest level's stride, or
                a level is too small to be normalised.
        """
        height, width = images.shape[2:]
        if height % self.divisor or width % self.divisor:
            raise ValueError(
                f'UNetEncoder: images are {height}x{width} (height x width), wanted '
                f'multiples of {self.divisor}: pad them by SegDataPreProcessor('
                f'size_divisor={self.divisor}, test_cfg=dict(size_divisor='
                f'{self.divisor})), the prediction is cropped back'
            )
        maps = []
        for number, level in enumerate(self.levels):
            inputs = F.max_pool2d(maps[-1], 2) if number else images
            try:
                maps.append(level(inputs))
            except ValueError as error:
                # One value per channel is too few for batch or instance norm.
                raise ValueError(
                    f'UNetEncoder: images of {height}x{width} (height x width) are too '
                    f'small for level {number}, {tuple(inputs.shape)}: {error}. Take '
                    'larger images or batches, fewer widths, or norm_cfg=None'
                ) from error
        return tuple(maps)

    def check_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Leave out the levels that are pruned, refuse what does not fit.

        Called before a state dict is loaded.

        Raises:
            ValueError: See `check_fit`.
        """
        pruned = range(len(self.levels), len(self.widths))
        unneeded = tuple(f'{prefix}levels.{level}.' for level in pruned)
        for key in [key for key in state_dict if key.startswith(unneeded)]:
            del state_dict[key]
        check_fit(self, state_dict, prefix)
