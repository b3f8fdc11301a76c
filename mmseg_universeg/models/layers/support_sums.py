"""Sums over supports and terms common to them, fast in channels-last memory.

Torch's own reduction over the first axis of channels-last maps, which the gradient of
a broadcast addition is too, takes ten times as long on a CPU as one addition per
support; and the gradient of `unbind` comes back in another memory layout.
"""

import torch
from torch import Tensor


def add_up(maps: Tensor, episodes: int) -> Tensor:
    """Sum (E * n, C, H, W) to (E, C, H, W), half precision in float32."""
    first, *others = maps.unflatten(0, (episodes, -1)).unbind(1)
    total = first.to(torch.promote_types(maps.dtype, torch.float32), copy=True)
    for other in others:
        total += other
    return total


class SumSupports(torch.autograd.Function):
    """Sum over the n supports of each of E episodes."""

    @staticmethod
    def forward(ctx, maps: Tensor, episodes: int) -> Tensor:
        """Sum (E * n, C, H, W) to (E, C, H, W), half precision in float32."""
        ctx.size, ctx.dtype = len(maps) // episodes, maps.dtype
        return add_up(maps, episodes)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        # Copied, if at all, with the channels last.
        grad = grad.to(ctx.dtype).permute(0, 2, 3, 1).unsqueeze(1)
        grad = grad.expand(-1, ctx.size, -1, -1, -1).flatten(0, 1)
        return grad.permute(0, 3, 1, 2), None


class AddQuery(torch.autograd.Function):
    """Add a term of each of E episodes to its n support maps, in place."""

    @staticmethod
    def forward(ctx, maps: Tensor, term: Tensor) -> Tensor:
        """Add (E, C, H, W) to maps (E * n, C, H, W)."""
        ctx.episodes, ctx.dtype = len(term), term.dtype
        ctx.mark_dirty(maps)
        maps.unflatten(0, (len(term), -1)).add_(term.unsqueeze(1))
        return maps

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        return grad, add_up(grad, ctx.episodes).to(ctx.dtype)


def sum_supports(maps: Tensor, episodes: int) -> Tensor:
    """Sum `(E * n, C, H, W)` over the n supports of each of E episodes.

    Half precision is summed in float32.
    """
    return SumSupports.apply(maps, episodes)


def add_query(
    maps: Tensor, term: Tensor, episodes: int, overwrite: bool = True
) -> Tensor:
    """Add a term of each query to the maps of its supports.

    Args:
        maps: (E * n, C, H, W), the n supports of each of E episodes.
        term: (B, C, H, W); B is E, or E is 1 and all queries share the supports.
        episodes: E.
        overwrite: whether `maps` may be overwritten.

    Returns:
        (B * n, C, H, W).
    """
    if overwrite and episodes == len(term):
        return AddQuery.apply(maps, term)
    return (maps.unflatten(0, (episodes, -1)) + term.unsqueeze(1)).flatten(0, 1)
