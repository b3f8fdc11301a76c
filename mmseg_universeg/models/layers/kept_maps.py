"""The first block's support maps, kept from query to query."""

import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from .cross_conv import CrossBlock


class KeptMaps:
    """What the first block makes of a support set before it sees the query.

    `conv_s(W_s * s_i)` of the first block is the only part of the network that does
    not depend on the query.

    Args:
        limit_mb: largest memory in MiB for all that is kept.
    """

    def __init__(self, limit_mb: float):
        self.limit = limit_mb * 2**20
        self.maps: dict[Hashable, Tensor] = {}
        self.origin: tuple | None = None
        self.weights: list[Tensor] = []

    def refresh(self, block: CrossBlock, origin: Hashable) -> None:
        """Drop everything if the weights or the support set are others now.

        Weights are compared by value: a version counter does not see
        `parameter.data.copy_`, by which averaged weights are swapped in.

        Args:
            block: the first block.
            origin: names the support set.
        """
        now = [block.cross.cross_conv.weight, block.support.conv.weight]
        same = origin == self.origin and all(
            new.device == old.device and torch.equal(new, old)
            for new, old in zip(now, self.weights)
        )
        if not same:
            self.maps.clear()
            self.origin = origin
            self.weights = [weight.detach().clone() for weight in now]

    def get(
        self, key: Hashable, block: CrossBlock, chunks: Sequence[Tensor]
    ) -> list[Tensor] | None:
        """Give the maps of one list of supports.

        Args:
            key: names the list.
            block: the first block, without activation in its cross convolution.
            chunks: its inputs, each (n, 2, H, W).

        Returns:
            For each chunk (n, F, H, W), or None if they do not fit within the limit.
        """
        device = chunks[0].device
        dtype = chunks[0].dtype
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        sizes = [len(chunk) for chunk in chunks]
        key = key, dtype
        if key not in self.maps:
            shape = (sum(sizes), block.out_channels, *chunks[0].shape[-2:])
            used = sum(maps.nbytes for maps in self.maps.values())
            if used + math.prod(shape) * dtype.itemsize > self.limit:
                return None
            maps = torch.empty(
                shape,
                dtype=dtype,
                device=device,
                memory_format=torch.channels_last,
            )
            path = block.support_path()
            for part, chunk in zip(maps.split(sizes), chunks):
                part.copy_(path(chunk))
            self.maps[key] = maps
        return list(self.maps[key].split(sizes))
