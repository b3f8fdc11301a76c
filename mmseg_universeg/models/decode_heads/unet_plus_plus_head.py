"""The decoder of UNet++."""

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import SkipNode, average_probabilities
from .skip_decode_head import SkipDecodeHead


@MODELS.register_module()
class UNetPlusPlusHead(SkipDecodeHead):
    """Nested U-Nets of all depths that share their nodes.

    UNet++ (Zhou et al. 2018, section 3; 2020, section III). The node X^{i,j}, in row i
    from 0 for the finest, takes X^{i+1,j-1} upsampled and then, in this order,
    X^{i,0} to X^{i,j-1}; X^{i,0} is feature i of the backbone. With L + 1 features the
    nodes are those with j from 1 to L - i, and X^{0,j} ends the U-Net of depth j.

    With deep supervision each X^{0,j} has a head, a 1x1 convolution; ``conv_seg`` is
    that of X^{0,L}. The losses of the other heads are logged as ``level<j>.…``, and
    ``level_weights`` are in the order L, 1, 2, ..., L - 1.

    With ``prune=k`` only what X^{0,k} needs is built, whose head is the main one. A
    checkpoint of the whole network, trained with deep supervision, loads into it: what
    is not needed is left out, what is needed must fit. In fast mode the output is bit
    for bit that of head k of the whole network. Of the backbone features 0 to k are
    taken; `UNetEncoder` with the same ``prune`` gives no others.

    Args:
        in_channels: Channels of the backbone's features, finest first; two or more.
        widths: Channels of the decoder's rows, finest first, one fewer than
            ``in_channels``; by default those of the features.
        dropout: See `DoubleConv`.
        residual: See `DoubleConv`.
        deep_supervision: Whether every X^{0,j} has a head, or only the last.
        mode: What is returned for testing with deep supervision: ``'accurate'``, the
            mean of the heads' probabilities (sigmoid for ``out_channels=1`` and
            ``multi_label``, softmax otherwise), as logits; or ``'fast'``, the main
            head.
        prune: Depth k, from 1 to L; by default nothing is pruned.
        strides: See `SkipDecodeHead`.
        in_index: See `SkipDecodeHead`.
        **kwargs: See `SkipDecodeHead`; ``channels`` is the first of ``widths``.

    Raises:
        ValueError: If the numbers of ``widths`` and ``in_channels`` do not fit,
            ``mode`` or ``prune`` is not one of those above, or see `SkipDecodeHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        widths: Sequence[int] | None = None,
        dropout: float = 0.0,
        residual: bool = False,
        deep_supervision: bool = True,
        mode: str = 'accurate',
        prune: int | None = None,
        strides: Sequence[int] | None = None,
        in_index: Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        widths = self.choose_widths(in_channels, widths)
        if mode not in ('accurate', 'fast'):
            raise ValueError(f"mode must be 'accurate' or 'fast', found {mode!r}")
        if prune is not None and not 1 <= prune <= len(widths):
            raise ValueError(f'prune must be from 1 to {len(widths)}, found {prune}')
        depth = len(widths) if prune is None else prune
        super().__init__(
            in_channels[: depth + 1],
            widths[0],
            strides=strides and strides[: depth + 1],
            in_index=in_index and in_index[: depth + 1],
            **kwargs,
        )
        self.whole_depth = len(widths)
        self.depth = depth
        self.mode = mode
        self.nodes = nn.ModuleDict()
        for row, column in self.nodes_to_depth(depth):
            self.nodes[f'{row}_{column}'] = SkipNode(
                in_channels[row + 1] if column == 1 else widths[row + 1],
                in_channels[row] + (column - 1) * widths[row],
                widths[row],
                factor=self.strides[row + 1] // self.strides[row],
                norm_cfg=self.norm_cfg,
                act_cfg=self.act_cfg,
                dropout=dropout,
                residual=residual,
            )
        self.side_heads = nn.ModuleDict()
        if deep_supervision:
            for column in range(1, depth):
                self.side_heads[str(column)] = nn.Conv2d(
                    self.channels, self.out_channels, kernel_size=1
                )
        # Inputs follow the weights: the faster layout for convolutions.
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def nodes_to_depth(depth: int) -> list[tuple[int, int]]:
        """Return (i, j) of the nodes X^{i,j} of the U-Net of a depth, in order."""
        return [
            (row, column)
            for column in range(1, depth + 1)
            for row in range(depth - column + 1)
        ]

    def forward_levels(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits of X^{0,L}, X^{0,1}, ..., X^{0,L-1} (X^{0,L} alone).

        Args:
            features: See `SkipDecodeHead`.

        Returns:
            (B, ``out_channels``, h, w) each, at the finest feature's size.
        """
        rows = [[feature] for feature in features]
        for row, column in self.nodes_to_depth(self.depth):
            node = self.nodes[f'{row}_{column}']
            rows[row].append(node(rows[row + 1][column - 1], rows[row]))
        ends = rows[0][1:]
        sides = [head(end) for head, end in zip(self.side_heads.values(), ends)]
        return [self.cls_seg(ends[-1]), *sides]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits for testing, (B, ``out_channels``, H, W), as of ``mode``.

        Args:
            inputs: Features of the backbone.

        Raises:
            ValueError: If the features do not have ``in_channels`` and ``strides``.
        """
        if self.mode == 'fast' or not self.side_heads:
            return super().forward(inputs)
        features = self.select_features(inputs)
        return average_probabilities(
            [
                self.to_input_size(logits, features)
                for logits in self.forward_levels(features)
            ],
            softmax=self.out_channels > 1 and not self.multi_label,
        )

    def check_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Take what this network has from the whole one, refuse what does not fit.

        Called before a state dict is loaded.

        Raises:
            ValueError: See `check_fit`; or if the whole network has no head at the
                depth that this one is pruned to.
        """
        if self.depth < self.whole_depth and any(
            key.startswith(f'{prefix}nodes.0_{self.depth + 1}.') for key in state_dict
        ):
            for name in ('weight', 'bias'):
                head = f'{prefix}side_heads.{self.depth}.{name}'
                if head not in state_dict:
                    raise ValueError(
                        f'the checkpoint does not fit: it has no {head!r}, so it was '
                        'trained without deep supervision; wanted one with it, to be '
                        f'pruned to depth {self.depth}'
                    )
                state_dict[f'{prefix}conv_seg.{name}'] = state_dict.pop(head)
        whole = self.nodes_to_depth(self.whole_depth)
        parts = {f'nodes.{row}_{column}.' for row, column in whole}
        parts -= {f'nodes.{name}.' for name in self.nodes}
        parts |= {f'side_heads.{column}.' for column in range(1, self.whole_depth)}
        parts -= {f'side_heads.{name}.' for name in self.side_heads}
        unneeded = tuple(prefix + part for part in parts)
        for key in [key for key in state_dict if key.startswith(unneeded)]:
            del state_dict[key]
        super().check_state_dict(state_dict, prefix)
