"""UniverSeg written down plainly, the yardstick of the benchmark and of the tests.

Every query-support pair is concatenated and convolved, at every block, as the paper's
formulas say and the published network computes; no identity is used to save anything.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Callable[[Tensor], Tensor]


def conv(maps: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    """Convolve (..., C, H, W) with the named convolution, zero padded."""
    weight, bias = weights[f'{name}.weight'], weights[f'{name}.bias']
    output = F.conv2d(maps.flatten(0, -4), weight, bias, padding=weight.shape[-1] // 2)
    return output.unflatten(0, maps.shape[:-3])


def cross_block(
    target: Tensor,
    supports: Tensor,
    weights: Mapping[str, Tensor],
    name: str,
    activation: Activation,
    cross_activation: Activation | None,
    activate_target: bool = True,
) -> tuple[Tensor, Tensor]:
    """Convolve target (B, 1, C, H, W) across supports (B, S, D, H, W)."""
    pairs = torch.cat(
        [target.expand(-1, supports.shape[1], -1, -1, -1), supports], dim=2
    )
    interaction = conv(pairs, weights, f'{name}.cross.cross_conv')
    if cross_activation is not None:
        interaction = cross_activation(interaction)
    target = interaction.mean(1, keepdim=True)
    target = conv(target, weights, f'{name}.target.vmapped.conv')
    supports = conv(interaction, weights, f'{name}.support.vmapped.conv')
    return activation(target) if activate_target else target, activation(supports)


def halve(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps.flatten(0, 1), 2).unflatten(0, maps.shape[:2])


def double(maps: Tensor) -> Tensor:
    output = F.interpolate(
        maps.flatten(0, 1), scale_factor=2, mode='bilinear', align_corners=True
    )
    return output.unflatten(0, maps.shape[:2])


def plain_universeg(
    weights: Mapping[str, Tensor],
    target: Tensor,
    support_images: Tensor,
    support_labels: Tensor,
    activation: Activation = F.leaky_relu,
    cross_activation: Activation | None = None,
) -> Tensor:
    """Logits (B, 1, H, W) of UniverSeg.

    Args:
        weights: parameters under their published names.
        target: (B, 1, H, W).
        support_images: (B, S, 1, H, W).
        support_labels: (B, S, 1, H, W).
        activation: after each 3x3 convolution of targets and supports.
        cross_activation: after the cross convolution.
    """
    kinds = (activation, cross_activation)
    levels = 1 + max(int(key.split('.')[1]) for key in weights if 'enc_b' in key)
    target = target.unsqueeze(1)
    supports = torch.cat([support_images, support_labels], dim=2)
    skips = []
    for level in range(levels):
        if level:
            target, supports = halve(target), halve(supports)
        block = f'enc_blocks.{level}'
        target, supports = cross_block(target, supports, weights, block, *kinds)
        skips.append((target, supports))
    skips.pop()
    has_out_conv = 'out_conv.conv.weight' in weights
    for level in range(levels - 1):
        skip_target, skip_supports = skips.pop()
        target = torch.cat([double(target), skip_target], dim=2)
        supports = torch.cat([double(supports), skip_supports], dim=2)
        activate = has_out_conv or level < levels - 2
        block = f'dec_blocks.{level}'
        target, supports = cross_block(
            target, supports, weights, block, *kinds, activate
        )
    if has_out_conv:
        target = conv(target, weights, 'out_conv.conv')
    return target.squeeze(1)
