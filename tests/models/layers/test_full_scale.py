"""The convolution of an upsampled map, against upsampling and convolving."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmseg_universeg.models.layers import UpsampledConv


def plain(conv, maps):
    if conv.ratio > 1:
        maps = F.interpolate(maps, scale_factor=conv.ratio, mode='bilinear')
    return F.conv2d(maps, conv.weight, conv.bias, padding=1)


def with_gradients(function, conv, maps):
    """The output, and the gradients of a fixed functional of it."""
    output = function(maps)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype)
    leaves = (maps, conv.weight, conv.bias)
    return output, *torch.autograd.grad(output, leaves, weights.view_as(output))


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(
        st.integers(1, 3), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7)
    ),
    out_channels=st.integers(1, 4),
    ratio=st.sampled_from([1, 2, 3, 4, 5, 8, 16]),
)
def test_equals_the_plain_form(shape, out_channels, ratio):
    conv = UpsampledConv(shape[1], out_channels, ratio).double()
    maps = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    ours = with_gradients(conv, conv, maps)
    wanted = with_gradients(lambda maps: plain(conv, maps), conv, maps)
    assert ours[0].shape == (shape[0], out_channels, *(ratio * n for n in shape[2:]))
    for one, other in zip(ours, wanted):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('channels, size, worthwhile', [(40, 12, True), (1, 12, False)])
def test_both_orders_of_work_are_the_plain_form(channels, size, worthwhile):
    conv = UpsampledConv(channels, 3, 2).double()
    maps = torch.randn(2, channels, size, size, dtype=torch.float64)
    assert conv.is_worthwhile(size, size) == worthwhile
    torch.testing.assert_close(conv(maps), plain(conv, maps), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    'channels, ratio, edge', [(320, 2, 128), (320, 4, 64), (320, 8, 32), (1024, 16, 16)]
)
def test_is_worthwhile_at_the_published_widths(channels, ratio, edge):
    conv = UpsampledConv(channels, 1, ratio)
    assert conv.is_worthwhile(edge, edge)
    assert conv.is_worthwhile(2 * edge, 2 * edge)


@pytest.mark.parametrize(
    'channels, ratio, size', [(320, 2, (8, 6)), (1024, 16, (2, 3))]
)
def test_single_precision_at_the_published_widths(channels, ratio, size):
    conv = UpsampledConv(channels, 64, ratio)
    maps = torch.randn(1, channels, *size, requires_grad=True)
    ours = with_gradients(conv, conv, maps)
    wanted = with_gradients(lambda maps: plain(conv, maps), conv, maps)
    for one, other in zip(ours, wanted):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max().clamp(min=1)


def test_gradients_agree_with_finite_differences():
    conv = UpsampledConv(6, 2, 2).double()
    assert conv.is_worthwhile(3, 2)
    maps = torch.randn(2, 6, 3, 2, dtype=torch.float64, requires_grad=True)

    def call(maps, weight, bias):
        parameters = dict(weight=weight, bias=bias)
        return torch.func.functional_call(conv, parameters, (maps,))

    assert torch.autograd.gradcheck(call, (maps, conv.weight, conv.bias))


def test_shifts_in_zeros_at_the_border():
    # Four channels of [0, 4], upsampled to [0, 1, 3, 4]: only the right neighbours
    # of a pixel count, a quarter of each channel.
    conv = UpsampledConv(4, 1, 2)
    assert conv.is_worthwhile(1, 2)
    nn.init.zeros_(conv.weight)
    nn.init.constant_(conv.bias, 0.5)
    with torch.no_grad():
        conv.weight[:, :, 1, 2] = 0.25
    maps = torch.tensor([0.0, 4.0]).expand(1, 4, 1, 2)
    wanted = torch.tensor([1.5, 3.5, 4.5, 0.5]).expand(1, 1, 2, 4)
    torch.testing.assert_close(conv(maps), wanted)


def test_state_dict_is_that_of_a_convolution():
    conv = nn.Conv2d(20, 3, 3, padding=1)
    ours = UpsampledConv(20, 3, 2)
    ours.load_state_dict(conv.state_dict(), strict=True)
    maps = torch.randn(1, 20, 4, 6)
    wanted = conv(F.interpolate(maps, scale_factor=2, mode='bilinear'))
    torch.testing.assert_close(ours(maps), wanted)


def test_takes_any_memory_layout():
    conv = UpsampledConv(20, 3, 4)
    maps = torch.randn(2, 20, 4, 6)
    for other in (
        maps.contiguous(memory_format=torch.channels_last),
        maps.repeat_interleave(2, 3)[..., ::2],
    ):
        torch.testing.assert_close(conv(other), conv(maps))


@pytest.mark.parametrize('size', [4, 64], ids=['small', 'large'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_as_a_convolution_does(size, dtype):
    conv = UpsampledConv(6, 3, 2)
    assert conv.is_worthwhile(size, size) == (size == 4)
    maps = torch.randn(1, 6, size, size)
    with torch.autocast('cpu', dtype):
        ours = conv(maps)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.float(), plain(conv, maps), rtol=0.05, atol=0.05)
