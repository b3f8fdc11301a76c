"""The decoder of UNet 3+ written down plainly, for the benchmark and the tests.

Every branch is resampled to its node's size, convolved, normalised and activated for
itself, as the paper says and the released code computes.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]


def conv(maps: Tensor, weights: Weights, name: str) -> Tensor:
    return F.conv2d(maps, weights[f'{name}.weight'], weights[f'{name}.bias'], padding=1)


def normalise(
    maps: Tensor, weights: Weights, name: str, part: slice, training: bool
) -> Tensor:
    """Batch normalisation with a part of the named parameters, and ReLU.

    In training with the statistics of the batch; those of the module stay as they are.
    """
    scale, shift, mean, variance = (
        weights[f'{name}.{kind}'][part]
        for kind in ('weight', 'bias', 'running_mean', 'running_var')
    )
    if training:
        mean = variance = None
    return F.relu_(F.batch_norm(maps, mean, variance, scale, shift, training))


def upsample(maps: Tensor, ratio: int) -> Tensor:
    if ratio == 1:
        return maps
    return F.interpolate(maps, scale_factor=ratio, mode='bilinear')


def plain_unet3plus(
    weights: Weights,
    features: Sequence[Tensor],
    strides: Sequence[int],
    training: bool = False,
) -> list[Tensor]:
    """Logits (B, C, H, W) of every level, the main one first.

    Args:
        weights: parameters and buffers of a `UNet3PlusHead` with batch normalisation.
        features: (B, C_i, H / strides[i], W / strides[i]) each, finest first.
        strides: pixels of the image per pixel of each feature.
        training: whether to normalise by the statistics of the batch.
    """
    maps = [features[-1]]
    for row in reversed(range(len(features) - 1)):
        node = f'nodes.{row}'
        joined, start = [], 0
        for source, one in enumerate([*features[: row + 1], *maps]):
            if source < row:
                one = F.max_pool2d(one, strides[row] // strides[source])
            else:
                one = upsample(one, strides[source] // strides[row])
            one = conv(one, weights, f'{node}.branches.{source}')
            part = slice(start, start + one.shape[1])
            joined.append(normalise(one, weights, f'{node}.norm', part, training))
            start = part.stop
        fused = conv(torch.cat(joined, dim=1), weights, f'{node}.fusion.0')
        fused = normalise(fused, weights, f'{node}.fusion.1', slice(None), training)
        maps.insert(0, fused)
    levels = [upsample(conv(maps[0], weights, 'conv_seg'), strides[0])]
    for row in range(1, len(features)):
        name = f'side_heads.{row - 1}'
        if f'{name}.weight' in weights:
            levels.append(upsample(conv(maps[row], weights, name), strides[row]))
    return levels
