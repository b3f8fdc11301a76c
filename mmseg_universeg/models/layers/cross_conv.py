"""The block of UniverSeg: a convolution across a query and each of its supports.

Butoi et al., UniverSeg (ICCV 2023), section 3.2. For a query map `t` and support
maps `s_1 .. s_S` the block computes `z_i = W * [t, s_i] + b`, then the query output
`A(conv_t(mean_i z_i))` and the support outputs `A(conv_s(z_i))`. A convolution is
linear, so with the kernel cut into its query half `W_t` and its support half `W_s`

* `W_t * t + b` is computed once instead of S times,
* the query output needs the supports only as their mean,
* `conv_s(z_i) = conv_s(W_s * s_i) + conv_s(W_t * t + b)`: the second term is computed
  once, and the first one does not depend on the query.

With an activation after the cross convolution only the first of these holds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .composed_conv import ComposedConv, composed_macs
from .support_sums import add_query, sum_supports

NONLINEARITIES: dict[str, Callable[..., Tensor]] = {
    'LeakyReLU': F.leaky_relu,
    'ReLU': F.relu,
}


def nonlinearity_of(name: str) -> Callable[..., Tensor]:
    """Look up an activation that may overwrite its input.

    Raises:
        ValueError: if the name is not one of `NONLINEARITIES`.
    """
    if name not in NONLINEARITIES:
        raise ValueError(
            f'nonlinearity {name!r} is not known; known are {sorted(NONLINEARITIES)}'
        )
    return NONLINEARITIES[name]


@dataclass
class Supports:
    """Feature maps of the supports of E episodes, cut into chunks.

    Attributes:
        episodes: E.
        size: S, supports of an episode.
        mean: (E, C, H, W), the mean over the S supports.
        chunks: each (E * n, C, H, W), n supports of each episode side by side.
            A block goes through them once.
    """

    episodes: int
    size: int
    mean: Tensor
    chunks: Iterable[Tensor] = ()


def drain(chunks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Give the chunks of a list away in order, keeping none."""
    chunks = list(chunks)[::-1]
    while chunks:
        yield chunks.pop()


class NamedConv(nn.Module):
    """A convolution under the name `conv`, as the published file names it."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(maps)


class VmappedConv(nn.Module):
    """A 3x3 convolution under the name `vmapped.conv` of the published file."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.vmapped = NamedConv(in_channels, out_channels, 3)

    @property
    def conv(self) -> nn.Conv2d:
        return self.vmapped.conv

    def forward(self, maps: Tensor) -> Tensor:
        return self.vmapped(maps)


class CrossConv(nn.Module):
    """A 3x3 convolution of `[query, support]`, its two halves given apart."""

    def __init__(self, query_channels: int, support_channels: int, out_channels: int):
        super().__init__()
        self.query_channels = query_channels
        self.cross_conv = nn.Conv2d(
            query_channels + support_channels, out_channels, 3, padding=1
        )

    def query_half(self, target: Tensor) -> Tensor:
        """`W_t * t + b` of a query map (B, C, H, W)."""
        weight = self.cross_conv.weight[:, : self.query_channels]
        return F.conv2d(target, weight, self.cross_conv.bias, padding=1)

    @property
    def support_weight(self) -> Tensor:
        """`W_s`, (out, support channels, 3, 3)."""
        return self.cross_conv.weight[:, self.query_channels :]

    def support_half(self, maps: Tensor) -> Tensor:
        """`W_s * s` of support maps (N, C, H, W)."""
        return F.conv2d(maps, self.support_weight, padding=1)


class CrossBlock(nn.Module):
    """One cross block: query and supports in, query and supports out.

    Args:
        query_channels: channels of the query map.
        support_channels: channels of each support map.
        out_channels: channels of the interaction and of the outputs.
        nonlinearity: activation of both outputs, one of `NONLINEARITIES`.
        cross_nonlinearity: activation of the interaction; None as published.
        query_outputs: channels of the query output if not `out_channels`; the query
            output is then not activated (it is the network's logit).
        last: whether nobody reads the support outputs. Their convolution stays as
            a parameter, because the published file has it, but is not trained.
    """

    def __init__(
        self,
        query_channels: int,
        support_channels: int,
        out_channels: int,
        nonlinearity: str = 'LeakyReLU',
        cross_nonlinearity: str | None = None,
        query_outputs: int | None = None,
        last: bool = False,
    ):
        super().__init__()
        self.out_channels = out_channels
        self.cross = CrossConv(query_channels, support_channels, out_channels)
        self.target = VmappedConv(out_channels, query_outputs or out_channels)
        self.support = VmappedConv(out_channels, out_channels)
        if last:
            self.support.requires_grad_(False)
        self.activation = nonlinearity_of(nonlinearity)
        self.activate_query = query_outputs is None
        self.cross_activation = cross_nonlinearity and nonlinearity_of(
            cross_nonlinearity
        )
        # Where the supports have few channels (the first block: image and mask),
        # the two convolutions of the support path cost less as one of 5x5.
        self.composed = composed_macs(support_channels) < 9 * (
            support_channels + out_channels
        )

    @property
    def split(self) -> bool:
        """Whether the interaction is linear, so that its halves can part for good."""
        return self.cross_activation is None

    def support_path(self) -> Callable[[Tensor], Tensor]:
        """The map `s -> conv_s(W_s * s)`, which does not depend on the query."""
        inner, outer = self.cross.support_weight, self.support.conv.weight
        if self.composed:
            return ComposedConv(inner, outer)
        return lambda maps: F.conv2d(F.conv2d(maps, inner, padding=1), outer, padding=1)

    def query_output(self, interaction: Tensor) -> Tensor:
        """`A(conv_t(mean_i z_i))` from the mean interaction (B, C, H, W)."""
        output = self.target(interaction)
        return self.activation(output, inplace=True) if self.activate_query else output

    def forward(
        self,
        target: Tensor,
        supports: Supports,
        fold: Callable[[Tensor], tuple] | None = None,
        recompute: bool = False,
        linear: bool = False,
    ) -> tuple[Tensor, list[tuple]]:
        """Apply the block.

        Args:
            target: query maps (B, C, H, W).
            supports: of the same episodes, or of one support set for all queries.
            fold: makes of the support outputs (B * n, C, H, W) of a chunk what the
                next levels need; None where they need nothing.
            recompute: whether backward computes the support outputs anew instead of
                keeping them.
            linear: whether the chunks are what `support_path` gives, rather than
                its input.

        Returns:
            The query output, and what `fold` returned for each chunk.
        """
        query = self.cross.query_half(target)
        if self.split:
            support_mean = self.cross.support_half(supports.mean)
            output = self.query_output(query + support_mean)
            if fold is None:
                return output, []
            term = self.support(query)
            path = self.support_path()

            def step(chunk: Tensor) -> tuple:
                maps = chunk if linear else path(chunk)
                maps = add_query(maps, term, supports.episodes, overwrite=not linear)
                return fold(self.activation(maps, inplace=True))
        else:

            def step(chunk: Tensor) -> tuple:
                maps = self.cross.support_half(chunk)
                maps = add_query(maps, query, supports.episodes)
                maps = self.cross_activation(maps, inplace=True)
                total = sum_supports(maps, len(query))
                if fold is None:
                    return (total,)
                return total, *fold(self.activation(self.support(maps), inplace=True))

        results = [
            checkpoint(step, chunk, use_reentrant=False, preserve_rng_state=False)
            if recompute and torch.is_grad_enabled()
            else step(chunk)
            for chunk in supports.chunks
        ]
        if not self.split:
            total = sum(result[0] for result in results)
            output = self.query_output(total / supports.size)
            results = [result[1:] for result in results]
        return output, results
