"""What a vision transformer attends to: its attention, layer by layer, and rollout."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from math import lcm
from operator import mul

import torch
from mmseg.models.backbones import BEiT, MixVisionTransformer, VisionTransformer
from mmseg.models.backbones.beit import BEiTAttention
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Stage:
    """The attention of layers that share one grid of patches.

    Attributes:
        first_token: Index of the first patch among the tokens: 1 after a class token.
        reduction: Side in patches of the square that one key stands for.
        kernel: Side in patches of the previous stage, or in pixels, of what a patch
            is made of; with ``stride`` and ``padding`` as of a convolution.
        stride: See ``kernel``.
        padding: See ``kernel``.
        grid: Rows and columns of patches.
        layers: Of each layer (heads, queries, keys), float32: each row sums to 1.
    """

    first_token: int
    reduction: int
    kernel: int
    stride: int
    padding: int
    grid: tuple[int, int] = (0, 0)
    layers: list[Tensor] = field(default_factory=list)

    @property
    def key_grid(self) -> tuple[int, int]:
        """Rows and columns of keys."""
        return tuple(side // self.reduction for side in self.grid)


@contextmanager
def recorded_attention(backbone: nn.Module) -> Iterator[list[Stage]]:
    """Record the attention of one image that goes through a backbone.

    Forward hooks see what goes into the attention, or comes out of its softmax; nothing
    of the backbone is changed, and the hooks are gone when the block ends.

    Args:
        backbone: MMSeg's ``VisionTransformer``, ``BEiT`` or ``MixVisionTransformer``,
            in testing mode.

    Yields:
        The stages, in order; there are grids and layers once an image has gone through.

    Raises:
        TypeError: If the backbone is another.
        ValueError: If it is in training mode, or a second image or window goes
            through.
    """
    if not isinstance(backbone, BEiT | MixVisionTransformer | VisionTransformer):
        raise TypeError(
            'wanted a BEiT, MixVisionTransformer or VisionTransformer of MMSeg, found '
            f'{type(backbone).__name__}'
        )
    if backbone.training:
        raise ValueError(
            f'{type(backbone).__name__} is in training mode, in which dropout changes '
            'the attention; call eval() first'
        )
    parts = (
        [(embed, blocks) for embed, blocks, _ in backbone.layers]
        if isinstance(backbone, MixVisionTransformer)
        else [(backbone.patch_embed, backbone.layers)]
    )
    stages = []
    with ExitStack() as hooks:
        for embed, blocks in parts:
            stage = new_stage(backbone, embed, blocks)
            stages.append(stage)
            hooks.callback(
                embed.register_forward_hook(
                    lambda _, __, output, stage=stage: start(stage, output)
                ).remove
            )
            for block in blocks:
                hooks.callback(watch(block.attn, stage))
        yield stages


def new_stage(backbone: nn.Module, embed: nn.Module, blocks: Sequence) -> Stage:
    """Return the stage of a patch embedding and its blocks, without attention."""
    hierarchical = isinstance(backbone, MixVisionTransformer)
    kernel, stride, padding = (
        getattr(embed.projection, name)[0]
        for name in ('kernel_size', 'stride', 'padding')
    )
    return Stage(
        first_token=0 if hierarchical else int(getattr(backbone, 'with_cls_token', 1)),
        reduction=blocks[0].attn.sr_ratio if hierarchical else 1,
        kernel=kernel,
        stride=stride,
        padding=padding,
    )


def start(stage: Stage, output: tuple[Tensor, tuple[int, int]]) -> None:
    """Note the grid of patches.

    Raises:
        ValueError: If it was noted before, or there are several images.
    """
    patches, grid = output
    if stage.layers or len(patches) != 1:
        raise ValueError(
            'attention is recorded of one image that goes through the backbone once '
            f'(test_cfg.mode=whole), found {"a second" if stage.layers else ""} batch '
            f'of {len(patches)}'
        )
    stage.grid = tuple(grid)


def watch(attention: nn.Module, stage: Stage) -> Callable[[], None]:
    """Hook an attention module; return what removes the hook."""
    if isinstance(attention, BEiTAttention):
        # Its dropout is given the probabilities.
        return attention.attn_drop.register_forward_hook(
            lambda _, inputs, __: stage.layers.append(inputs[0][0].detach())
        ).remove
    return attention.attn.register_forward_hook(
        lambda module, _, kwargs, __: stage.layers.append(head_weights(module, kwargs)),
        with_kwargs=True,
    ).remove


@torch.no_grad()
def head_weights(attention: nn.MultiheadAttention, kwargs: dict) -> Tensor:
    """Return the attention (heads, queries, keys) of one image.

    Args:
        attention: torch's module.
        kwargs: What it was called with, of which it returned the mean over heads.
    """
    kwargs = {**kwargs, 'need_weights': True, 'average_attn_weights': False}
    # Its forward alone calls no hooks.
    return attention.forward(**kwargs)[1][0]


def check_size(stages: Sequence[Stage], size: Sequence[int]) -> None:
    """Refuse an image that patches and keys do not cover exactly.

    Args:
        stages: As `recorded_attention` yields them.
        size: (H, W) of the image as it goes into the model.

    Raises:
        ValueError: With the sides that would do.
    """
    strides = accumulate((stage.stride for stage in stages), mul)
    divisor = lcm(*(s * stage.reduction for s, stage in zip(strides, stages)))
    if any(side % divisor for side in size):
        raise ValueError(
            f'the image is {size[0]} x {size[1]} as it goes into the model, wanted '
            f'sides that are multiples of {divisor}, which patches cover exactly: '
            "change Resize in the test pipeline or the data preprocessor's padding"
        )


def patch_shares(mask: Tensor, stage: Stage) -> Tensor:
    """Return how a region of the image is divided among the tokens of a stage.

    Args:
        mask: (H, W), not negative, the image as it goes into the model: 1 at the pixels
            of a region, or at one pixel.
        stage: With its grid.

    Returns:
        (queries,) float32 that sum to 1; the class token has none.

    Raises:
        ValueError: If the mask is empty.
    """
    shares = F.adaptive_avg_pool2d(mask[None].float(), stage.grid).flatten()
    if not shares.sum() > 0:
        raise ValueError('the region is empty, wanted a pixel at least')
    return F.pad(shares / shares.sum(), (stage.first_token, 0))


def head_maps(stage: Stage, layer: int, shares: Tensor) -> Tensor:
    """Return what a region attends to in a layer, by head.

    Args:
        stage: Recorded.
        layer: Index in the stage.
        shares: Of the region, see `patch_shares`.

    Returns:
        (heads, rows, columns) on the stage's grid of keys. A map sums to 1, less what
        goes to the class token.
    """
    keys = shares.to(stage.layers[layer]) @ stage.layers[layer]
    return keys[:, stage.first_token :].unflatten(1, stage.key_grid)


def rollout_map(stages: Sequence[Stage], shares: Tensor) -> Tensor:
    """Return what a region of the last stage given draws on, back to the image.

    Attention rollout (Abnar and Zuidema, ACL 2020, section 3): in each layer half of a
    token is itself, the residual connection, and half is the mean of the heads. Where
    patches are reduced to fewer keys, a key draws on its patches equally; from stage to
    stage, a patch draws on those under its convolution equally.

    Args:
        stages: From the first one on, of an image that `check_size` accepts.
        shares: Of the region, on the last of ``stages``, see `patch_shares`.

    Returns:
        (rows, columns) on the first stage's grid of patches. It sums to 1, less what is
        left with the class token.
    """
    for number in reversed(range(len(stages))):
        stage = stages[number]
        for layer in reversed(stage.layers):
            keys = shares.to(layer) @ layer.mean(0)
            shares = (shares + spread_keys(keys, stage)) / 2
        if number:
            shares = spread_patches(shares, stage, stages[number - 1].grid)
    return shares[stages[0].first_token :].view(stages[0].grid)


def spread_keys(keys: Tensor, stage: Stage) -> Tensor:
    """Divide what keys get (keys,) among the patches they stand for, (queries,)."""
    if stage.reduction == 1:
        return keys
    grid = keys.view(1, 1, *stage.key_grid) / stage.reduction**2
    patches = grid.repeat_interleave(stage.reduction, 2)
    return patches.repeat_interleave(stage.reduction, 3).flatten()


def spread_patches(shares: Tensor, stage: Stage, below: tuple[int, int]) -> Tensor:
    """Divide what patches have (queries,) among those of the stage below, (queries,).

    Args:
        shares: On the grid of ``stage``.
        stage: Whose patches are convolutions of those below.
        below: Rows and columns of patches below.
    """
    window = dict(kernel_size=stage.kernel, stride=stage.stride, padding=stage.padding)
    # How many patches below lie under each convolution: fewer at the border.
    count = F.unfold(shares.new_ones(1, 1, *below), **window).sum(1)
    each = (shares / count).unsqueeze(1).expand(1, stage.kernel**2, -1)
    return F.fold(each, below, **window).flatten()
