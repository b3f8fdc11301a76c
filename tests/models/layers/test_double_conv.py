"""Two convolutions with what belongs to them, and the node that joins maps."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_universeg.models import UNetEncoder, UNetHead, UNetPlusPlusHead
from mmseg_universeg.models.layers import DoubleConv, SkipNode

RELU = dict(type='ReLU')
LEAKY = dict(type='LeakyReLU', negative_slope=0.2)
NORMS = {
    'none': None,
    'BN': dict(type='BN'),
    'IN': dict(type='IN', affine=True),
    'GN': dict(type='GN', num_groups=2),
}


def plain_norm(maps, weights, kind, training=True):
    """Normalisation over batch and pixels, pixels, or channel groups and pixels."""
    if kind == 'none':
        return maps
    short = kind.lower()
    if kind == 'BN' and not training:
        mean = weights['bn.running_mean'].reshape(1, -1, 1, 1)
        var = weights['bn.running_var'].reshape(1, -1, 1, 1)
    else:
        batch, channels, height, width = maps.shape
        grouped = maps.reshape(
            batch, 2 if kind == 'GN' else channels, -1, height, width
        )
        axes = (0, 2, 3, 4) if kind == 'BN' else (2, 3, 4)
        mean, var = (
            value.expand(grouped.shape).reshape(maps.shape)
            for value in (
                grouped.mean(axes, keepdim=True),
                grouped.var(axes, unbiased=False, keepdim=True),
            )
        )
    maps = (maps - mean) / (var + 1e-5).sqrt()
    scale, shift = weights[f'{short}.weight'], weights[f'{short}.bias']
    return maps * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)


def plain_double_conv(maps, weights, kind, slope, residual, training=True):
    def part(name, inputs, padding):
        own = {
            key.removeprefix(f'{name}.'): value
            for key, value in weights.items()
            if key.startswith(f'{name}.')
        }
        out = F.conv2d(inputs, own['conv.weight'], own.get('conv.bias'), 1, padding)
        return plain_norm(out, own, kind, training)

    out = part('first', maps, 1)
    out = torch.where(out > 0, out, slope * out)
    out = part('second', out, 1)
    if residual:
        out = out + (part('shortcut', maps, 0) if maps.shape[1] != 4 else maps)
    return torch.where(out > 0, out, slope * out)


@pytest.mark.parametrize('residual', [False, True])
@pytest.mark.parametrize('in_channels', [3, 4])
@pytest.mark.parametrize('kind', NORMS)
def test_equals_the_formulas_with_gradients(kind, in_channels, residual):
    slope = 0.2 if in_channels == 3 else 0.0
    layer = DoubleConv(
        in_channels,
        4,
        norm_cfg=NORMS[kind],
        act_cfg=LEAKY if slope else RELU,
        residual=residual,
    ).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    maps = torch.randn(2, in_channels, 5, 4).double().requires_grad_()
    weights = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}

    out = layer(maps)
    plain = plain_double_conv(maps, weights, kind, slope, residual)
    torch.testing.assert_close(out, plain, rtol=1e-9, atol=1e-9)
    upstream = torch.randn_like(out)
    inputs = [maps, *layer.parameters()]
    for found, wanted in zip(
        torch.autograd.grad(out, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)

    layer.eval()  # now with the running statistics of batch normalisation
    torch.testing.assert_close(
        layer(maps),
        plain_double_conv(maps, weights, kind, slope, residual, training=False),
        rtol=1e-9,
        atol=1e-9,
    )


def test_dropout_after_both_activations():
    layer = DoubleConv(1, 1, norm_cfg=None, act_cfg=RELU, dropout=0.5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.first.conv.weight[0, 0, 1, 1] = layer.second.conv.weight[0, 0, 1, 1] = 1
    out = layer(torch.ones(1, 1, 200, 200))
    # Each dropout keeps half of the single values and doubles them.
    assert out.unique().tolist() == [0.0, 4.0]
    assert (out > 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert layer.eval()(torch.ones(1, 1, 4, 4)).unique().tolist() == [1.0]


@pytest.mark.parametrize(
    'build, units',
    [
        (lambda **kwargs: UNetEncoder(1, (2, 3, 4), **kwargs), 3),
        (lambda **kwargs: UNetHead((2, 3, 4), num_classes=2, **kwargs), 2),
        (lambda **kwargs: UNetPlusPlusHead((2, 3, 4), num_classes=2, **kwargs), 3),
    ],
)
def test_networks_give_dropout_and_residual_to_each(build, units):
    def found(**kwargs):
        return [
            (part.dropout.p, part.shortcut is not None)
            for part in build(**kwargs).modules()
            if isinstance(part, DoubleConv)
        ]

    assert found() == [(0.0, False)] * units
    assert found(dropout=0.3) == [(0.3, False)] * units
    assert found(residual=True) == [(0.0, True)] * units


def test_wrong_dropout():
    with pytest.raises(ValueError, match=r'dropout probability .* got 1\.5'):
        DoubleConv(1, 1, norm_cfg=None, act_cfg=RELU, dropout=1.5)


@pytest.mark.parametrize('factor', [1, 2, 3, 4])
def test_node_equals_the_formulas(factor):
    node = SkipNode(5, 3, 2, factor=factor, norm_cfg=None, act_cfg=RELU).double()
    below = torch.randn(2, 5, 2, 3).double()
    skips = [torch.randn(2, c, 2 * factor, 3 * factor).double() for c in (1, 2)]
    # Every pixel below makes the square that it covers: no overlaps.
    squares = torch.einsum('bihw,ioyx->bohywx', below, node.up.weight)
    up = squares.reshape(2, 2, 2 * factor, 3 * factor)
    up = up + node.up.bias.reshape(1, -1, 1, 1)
    weights = dict(node.conv.named_parameters())
    plain = plain_double_conv(torch.cat([up, *skips], 1), weights, 'none', 0.0, False)
    torch.testing.assert_close(node(below, skips), plain, rtol=1e-9, atol=1e-9)
