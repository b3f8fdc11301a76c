"""The decoder of UNet 3+."""

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ..layers import FullScaleNode, PresenceBranch
from .skip_decode_head import SkipDecodeHead


@MODELS.register_module()
class UNet3PlusHead(SkipDecodeHead):
    """Each row takes the features of all finer rows and the maps of all coarser ones.

    UNet 3+ (Huang et al. 2020, sections 2.1 to 2.3). Row i, from 0 for the finest,
    joins the backbone's features 0 to i and the decoder's maps of the rows below; the
    map of the last row is the backbone's last feature. With `UNetEncoder`, batch
    normalisation and ``bias=True`` it is the published network of 27 million
    parameters.

    With deep supervision each row has a 3x3 convolution to logits, and the losses of
    row i are logged as ``level<i>.…``. Without, only the finest row has it; there it is
    ``conv_seg``.

    With the classification-guided module (CGM) a branch says of each class but the
    background whether the image shows it, trained by a cross-entropy that is logged as
    ``loss_cgm``. For testing, a class that is said to be absent gets the probability 0
    in the whole image; where images are cut into windows, in the whole window. In
    training the masks are not gated: a wrong gate would take the gradient from them,
    and a soft one would train the branch to please the masks instead of to say what
    is there.

    Args:
        in_channels: Channels of the backbone's features, finest first; two or more.
        branch_channels: Channels that each row contributes to a node.
        deep_supervision: Whether every row has logits in training, or the finest alone.
        cgm_loss_weight: Factor of ``loss_cgm``; ``None`` for no CGM.
        act_cfg: Activation as mmcv has it.
        **kwargs: See `SkipDecodeHead`; ``channels`` is ``branch_channels`` times the
            number of features. ``align_corners`` is for the logits alone, within the
            decoder corners are not aligned.

    Raises:
        ValueError: If ``in_channels`` are fewer than two, CGM is asked for with
            ``multi_label``, or see `SkipDecodeHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        branch_channels: int = 64,
        deep_supervision: bool = True,
        cgm_loss_weight: float | None = None,
        act_cfg: dict = dict(type='ReLU', inplace=True),  # noqa: B006
        **kwargs,
    ) -> None:
        rows = len(in_channels)
        if rows < 2:
            raise ValueError(f'wanted two or more in_channels, found {in_channels}')
        channels = rows * branch_channels
        super().__init__(in_channels, channels, act_cfg=act_cfg, **kwargs)
        # Of the decoder's maps; the last one is the backbone's.
        widths = [*[channels] * (rows - 1), in_channels[-1]]
        self.nodes = nn.ModuleList(
            FullScaleNode(
                [*in_channels[: row + 1], *widths[row + 1 :]],
                self.strides,
                row,
                branch_channels,
                norm_cfg=self.norm_cfg,
                act_cfg=self.act_cfg,
            )
            for row in range(rows - 1)
        )
        self.conv_seg = self.make_logits(channels)
        self.side_heads = nn.ModuleList()
        if deep_supervision:
            self.side_heads.extend(map(self.make_logits, widths[1:]))
        if self.multi_label and cgm_loss_weight is not None:
            raise ValueError(
                f'CGM is for label maps: with multi_label, cgm_loss_weight must be '
                f'None, found {cgm_loss_weight}'
            )
        self.cgm_loss_weight = cgm_loss_weight
        self.cgm = None
        if cgm_loss_weight is not None:
            classes = [1] if self.out_channels == 1 else range(1, self.num_classes)
            self.cgm = PresenceBranch(in_channels[-1], classes)
        # Inputs follow the weights: the faster layout for convolutions.
        self.to(memory_format=torch.channels_last)

    def make_logits(self, channels: int) -> nn.Conv2d:
        """Return the convolution that makes the logits of a map."""
        return nn.Conv2d(channels, self.out_channels, kernel_size=3, padding=1)

    def forward_levels(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits of every row, or of the finest alone.

        Args:
            features: See `SkipDecodeHead`.

        Returns:
            (B, ``out_channels``, H / ``strides[i]``, W / ``strides[i]``) each.
        """
        maps = [features[-1]]
        for row in reversed(range(len(self.nodes))):
            maps.insert(0, self.nodes[row]([*features[: row + 1], *maps]))
        sides = [head(side) for head, side in zip(self.side_heads, maps[1:])]
        return [self.cls_seg(maps[0]), *sides]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits for testing, (B, ``out_channels``, H, W), gated by CGM.

        Args:
            inputs: Features of the backbone.

        Raises:
            ValueError: If the features do not have ``in_channels`` and ``strides``.
        """
        logits = super().forward(inputs)
        if self.cgm is None:
            return logits
        return self.cgm.gate(logits, self.cgm(self.select_features(inputs)[-1]))

    def loss(
        self,
        inputs: Sequence[Tensor],
        batch_data_samples: list[SegDataSample],
        train_cfg: dict | None,
    ) -> dict[str, Tensor]:
        """Return the losses of all levels, and of CGM, by name.

        Raises:
            ValueError: See `SkipDecodeHead`.
        """
        losses = super().loss(inputs, batch_data_samples, train_cfg)
        if self.cgm is not None:
            presence = self.cgm(self.select_features(inputs)[-1])
            labels, _ = self.stack_truth(batch_data_samples)
            losses['loss_cgm'] = self.cgm_loss_weight * self.cgm.loss(
                presence, labels, self.ignore_index
            )
        return losses
