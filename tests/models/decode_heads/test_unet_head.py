"""U-Net against a plain restatement, where its pixels go, and its checkpoints."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.runner import load_checkpoint

from mmseg_universeg.models import UNetEncoder, UNetHead

WIDTHS = (32, 64, 128, 256, 512)
BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)


def make_head(in_channels, **kwargs):
    return UNetHead(
        in_channels,
        **{**dict(num_classes=2, out_channels=1, loss_decode=BCE), **kwargs},
    )


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_published_numbers_of_parameters():
    assert count(UNetEncoder(1, WIDTHS), make_head(WIDTHS)) == 7_759_521
    wide = (35, 70, 140, 280, 560)
    assert count(UNetEncoder(1, wide), make_head(wide)) == 9_282_246


def plain_double_conv(maps, weights, name):
    for part in ('first', 'second'):
        weight = weights[f'{name}.{part}.conv.weight']
        bias = weights[f'{name}.{part}.conv.bias']
        maps = F.conv2d(maps, weight, bias, padding=1).clamp(min=0)
    return maps


def plain_up(maps, weights, name):
    weight, bias = weights[f'{name}.weight'], weights[f'{name}.bias']
    squares = torch.einsum('bihw,ioyx->bohywx', maps, weight)
    return squares.flatten(2, 3).flatten(3, 4) + bias.reshape(1, -1, 1, 1)


def test_equals_the_formulas_with_gradients():
    # Widths of the decoder, features and the strides' ratios (2, 1, 3) all differ.
    head = make_head((2, 3, 4, 5), widths=(3, 2, 6), strides=(1, 2, 2, 6)).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    features = [
        torch.randn(2, c, 12 // s, 18 // s).double().requires_grad_()
        for c, s in zip((2, 3, 4, 5), (1, 2, 2, 6))
    ]
    weights = dict(head.named_parameters())
    maps = features[3]
    for row in (2, 1, 0):
        up = plain_up(maps, weights, f'nodes.{row}.up')
        joined = torch.cat([up, features[row]], 1)
        maps = plain_double_conv(joined, weights, f'nodes.{row}.conv')
    plain = torch.einsum('bchw,oc->bohw', maps, weights['conv_seg.weight'][..., 0, 0])
    plain = plain + weights['conv_seg.bias']
    found = head(features)
    torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-9)
    upstream = torch.randn_like(found)
    inputs = [*features, *weights.values()]
    for one, other in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_a_pixel_of_the_image_stays_where_it_is(centre_taps):
    # All weights 1: the output at a pixel counts the levels at which it shares the
    # pooled pixel with the one that is lit.
    encoder, head = UNetEncoder(1, (1,) * 4), make_head((1,) * 4)
    centre_taps(encoder)
    centre_taps(head)
    rows, columns = torch.arange(16)[:, None], torch.arange(24)[None]
    for row, column in [(0, 0), (5, 12), (7, 8), (15, 23)]:
        image = torch.zeros(1, 1, 16, 24)
        image[0, 0, row, column] = 1
        wanted = sum(
            (rows >> level == row >> level) & (columns >> level == column >> level)
            for level in torch.arange(4)
        )
        assert torch.equal(head(encoder(image))[0, 0], wanted.float())


@pytest.mark.parametrize(
    'strides', [(4, 8, 16, 32), (2, 4, 8, 16, 32), (2, 4, 8, 16, 16, 32), (1, 1, 3)]
)
def test_a_pixel_of_a_feature_covers_its_part_of_the_image(centre_taps, strides):
    head = make_head((1,) * len(strides), strides=strides)
    centre_taps(head)
    size = 5 * strides[-1]
    places = torch.arange(float(size))
    for lit, stride in enumerate(strides):
        features = [torch.zeros(1, 1, size // s, size // s) for s in strides]
        row, column = 2 * strides[-1] // stride, 3 * strides[-1] // stride - 1
        features[lit][0, 0, row, column] = 1
        logits = head(features)[0, 0].detach()
        total = stride**2  # the area that the pixel covers
        assert logits.sum().item() == pytest.approx(total)
        for place, sums in ((row, logits.sum(1)), (column, logits.sum(0))):
            middle = (sums @ places / total).item()
            assert middle == pytest.approx(place * stride + (stride - 1) / 2, abs=1e-3)


def test_he_normal_by_default():
    head = make_head((16, 32, 64), norm_cfg=dict(type='BN'))
    head.init_weights()
    for module in head.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            inputs = module.weight[0].numel()
            wanted = (2 / inputs) ** 0.5
            if module.weight.numel() > 1000:
                assert module.weight.std().item() == pytest.approx(wanted, rel=0.1)
            assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize(
    'in_channels, widths', [((4,), None), ((), None), ((4, 8), (4, 8)), ((4, 8), ())]
)
def test_widths_that_do_not_fit(in_channels, widths):
    with pytest.raises(ValueError, match='widths for all of them but the last; found'):
        make_head(in_channels, widths=widths)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(in_channels=(2, 3, 5)), r"'decode_head.nodes.1.up.weight' is \(4, 3, 2"),
        (dict(widths=(5, 3)), r"'decode_head.conv_seg.weight' is \(1, 2, 1, 1\), want"),
        (dict(in_channels=(2, 3)), r"'decode_head.nodes.1.up.weight' of shape .*which"),
        (dict(norm_cfg=None), r"has no 'decode_head.nodes.0.conv.first.conv.bias', w"),
        (
            dict(in_channels=(2, 3, 4, 5)),
            r"has no 'decode_head.nodes.2.up.weight', wanted of shape \(5, 4, 2, 2\)",
        ),
    ],
)
def test_checkpoint_of_another_network_is_an_error(
    make_segmentor, tmp_path, kwargs, message
):
    head = dict(type='UNetHead', num_classes=2, out_channels=1, loss_decode=BCE)
    own = dict(**head, in_channels=(2, 3, 4), norm_cfg=dict(type='BN'))
    backbone = dict(type='UNetEncoder', in_channels=1, widths=(2, 3, 4))
    model = make_segmentor(backbone, own)
    path = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    load_checkpoint(make_segmentor(backbone, own), path)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(make_segmentor(backbone, {**own, **kwargs}), path)


def test_checkpoint_of_a_backbone_loads_into_a_network(make_segmentor, tmp_path):
    head = dict(type='UNetHead', num_classes=2, out_channels=1, loss_decode=BCE)
    backbone = dict(type='UNetEncoder', in_channels=1, widths=(2, 3))
    one, other = (
        make_segmentor(backbone, dict(**head, in_channels=(2, 3))) for _ in range(2)
    )
    state = one.state_dict()
    encoder = {key: value for key, value in state.items() if 'decode_head' not in key}
    torch.save(dict(state_dict=encoder), tmp_path / 'weights.pth')
    load_checkpoint(other, str(tmp_path / 'weights.pth'))
    images = torch.randn(1, 1, 4, 4)
    for a, b in zip(one.backbone(images), other.backbone(images)):
        assert torch.equal(a, b)
    assert not torch.equal(one(images), other(images))
