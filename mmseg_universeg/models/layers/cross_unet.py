"""The U of UniverSeg over cross blocks, in bounded memory.

Supports pass through a block in chunks. Of a chunk only what later levels need is
kept: the pooled maps for the next level and, at the inner levels, the maps themselves
as skip connections. The last decoder block reads the supports only through their mean,
so of the first level's maps, the largest ones, nothing but their sum is kept; in
training the backward pass computes them anew, which at 25 * 2 multiplications per
value is cheap.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .cross_conv import CrossBlock, Supports, drain
from .support_sums import sum_supports


def upsample(maps: Tensor) -> Tensor:
    """Double height and width, bilinear between corner centres, as published."""
    return F.interpolate(maps, scale_factor=2, mode='bilinear', align_corners=True)


def mean_of(sums: Sequence[Tensor], size: int) -> Tensor:
    """The mean over `size` supports from the sums of their chunks."""
    return sum(sums[1:], start=sums[0]) / size


def cut_supports(
    images: Tensor, masks: Tensor, episodes: int, support_chunk: int
) -> Supports:
    """Join images and masks to the input of the first block, cut into chunks.

    Args:
        images: (E, S, 1, H, W).
        masks: (E, S, 1, H, W).
        episodes: B queries that share the supports if E is 1, otherwise E.
        support_chunk: largest number of query-support pairs in a chunk (at least
            one support of each episode).
    """
    pairs = torch.cat([images, masks.to(images)], dim=2)
    size = max(1, support_chunk // episodes)
    return Supports(
        episodes=len(pairs),
        size=pairs.shape[1],
        mean=pairs.mean(1),
        chunks=[
            chunk.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            for chunk in pairs.split(size, dim=1)
        ],
    )


def encode(
    blocks: Sequence[CrossBlock],
    target: Tensor,
    supports: Supports,
    linear: bool = False,
) -> tuple[list[Tensor], list[Supports]]:
    """Run the encoder.

    Args:
        blocks: the cross blocks of all levels.
        target: queries (B, 1, H, W).
        supports: as from `cut_supports`.
        linear: whether the chunks are already what the first block's
            `support_path` makes of them.

    Returns:
        Query maps of every level, and supports of every level. The first level's
        have no chunks unless the cross interaction is activated.
    """
    episodes = len(target)
    size = supports.size
    skips, skip_supports = [], []
    for level, block in enumerate(blocks):
        deepest = level == len(blocks) - 1
        if level:
            target = F.max_pool2d(target, 2)
        keep = level > 0 or not block.split

        def fold(maps: Tensor, keep: bool = keep, deepest: bool = deepest) -> tuple:
            return (
                maps if keep else None,
                sum_supports(maps, episodes),
                None if deepest else F.max_pool2d(maps, 2),
            )

        target, folded = block(
            target, supports, fold, recompute=not keep, linear=linear and not level
        )
        maps, sums, pooled = zip(*folded)
        skips.append(target)
        skip_supports.append(
            Supports(episodes, size, mean_of(sums, size), drain(maps) if keep else ())
        )
        if not deepest:
            total = mean_of([sum_supports(chunk, episodes) for chunk in pooled], size)
            supports = Supports(episodes, size, total, drain(pooled))
    return skips, skip_supports


def decode(
    blocks: Sequence[CrossBlock],
    skips: list[Tensor],
    skip_supports: list[Supports],
) -> Tensor:
    """Run the decoder on what `encode` gave; both lists are used up.

    Returns:
        The last block's query maps (B, C, H, W).
    """
    target, supports = skips.pop(), skip_supports.pop()
    for level, block in enumerate(blocks):
        skip, skip_support = skips.pop(), skip_supports.pop()
        inputs = Supports(
            supports.episodes,
            supports.size,
            torch.cat([upsample(supports.mean), skip_support.mean], dim=1),
            _join(supports.chunks, skip_support.chunks),
        )
        last = level == len(blocks) - 1
        target, folded = block(
            torch.cat([upsample(target), skip], dim=1),
            inputs,
            None if last else partial(_keep, episodes=inputs.episodes),
        )
        if not last:
            maps, sums = zip(*folded)
            supports = Supports(
                inputs.episodes, inputs.size, mean_of(sums, inputs.size), drain(maps)
            )
    return target


def _join(maps: Iterable[Tensor], skips: Iterable[Tensor]) -> Iterator[Tensor]:
    """Upsample the chunks of the level below and join their skip connections."""
    for below, skip in zip(maps, skips):
        yield torch.cat([upsample(below), skip], dim=1)


def _keep(maps: Tensor, episodes: int) -> tuple[Tensor, Tensor]:
    """Keep support maps and their sum over the supports of an episode."""
    return maps, sum_supports(maps, episodes)
