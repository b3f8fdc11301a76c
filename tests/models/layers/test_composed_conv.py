"""Two convolutions as one, against the two."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_universeg.models.layers import ComposedConv


def two_convs(maps, inner, outer):
    return F.conv2d(F.conv2d(maps, inner, padding=1), outer, padding=1)


def random_kernels(c=2, f=5, o=4):
    inner = torch.randn(f, c, 3, 3, dtype=torch.float64, requires_grad=True)
    outer = torch.randn(o, f, 3, 3, dtype=torch.float64, requires_grad=True)
    return inner, outer


@pytest.mark.parametrize('size', [(2, 2), (2, 7), (3, 3), (5, 4), (16, 24)])
def test_equals_two_convolutions_up_to_the_border(size):
    inner, outer = random_kernels()
    maps = torch.randn(3, 2, *size, dtype=torch.float64)
    ours, plain = ComposedConv(inner, outer)(maps), two_convs(maps, inner, outer)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)


def test_gradients_equal_those_of_two_convolutions():
    inner, outer = random_kernels()
    maps = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    leaves = (maps, inner, outer)
    ours = ComposedConv(inner, outer)(maps)
    seed = torch.randn_like(ours)
    ours = torch.autograd.grad(ours, leaves, seed)
    plain = torch.autograd.grad(two_convs(maps, inner, outer), leaves, seed)
    for one, other in zip(ours, plain):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_gradients_agree_with_finite_differences():
    inner, outer = random_kernels(c=1, f=2, o=2)
    maps = torch.randn(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda maps, inner, outer: ComposedConv(inner, outer)(maps),
        (maps, inner, outer),
    )


def test_kernels_are_composed_in_float32_under_autocast():
    inner, outer = (kernel.detach().float() for kernel in random_kernels())
    with torch.autocast('cpu', torch.bfloat16):
        composed = ComposedConv(inner, outer)
        output = composed(torch.randn(1, 2, 8, 8))
    assert composed.kernel.dtype == torch.float32
    assert output.dtype == torch.bfloat16
