"""UNet++ against a plain restatement, its two modes, and its pruning."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from mmengine.runner import load_checkpoint

from mmseg_universeg.models import UNetEncoder, UNetPlusPlusHead
from mmseg_universeg.models.layers import average_probabilities

WIDTHS = (32, 64, 128, 256, 512)
BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)
SMALL = (2, 3, 4, 5, 6)


def make_head(in_channels=SMALL, **kwargs):
    head = UNetPlusPlusHead(
        in_channels,
        **{**dict(num_classes=2, out_channels=1, loss_decode=BCE), **kwargs},
    )
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head


def make_features(channels=SMALL, strides=(1, 2, 4, 8, 16), size=(16, 32)):
    return [
        torch.randn(2, c, size[0] // s, size[1] // s) for c, s in zip(channels, strides)
    ]


@pytest.mark.parametrize(
    'prune, deep_supervision, wanted',
    [
        (1, False, 100_961),
        (2, False, 511_105),
        (3, False, 2_204_961),
        (4, False, 9_041_601),
        (None, False, 9_041_601),
        (None, True, 9_041_700),
    ],
)
def test_published_numbers_of_parameters(prune, deep_supervision, wanted):
    encoder = UNetEncoder(1, WIDTHS, prune=prune)
    head = UNetPlusPlusHead(
        WIDTHS,
        num_classes=2,
        out_channels=1,
        prune=prune,
        deep_supervision=deep_supervision,
    )
    parameters = [*encoder.parameters(), *head.parameters()]
    assert sum(parameter.numel() for parameter in parameters) == wanted


def plain_node(weights, name, below, skips):
    weight, bias = weights[f'{name}.up.weight'], weights[f'{name}.up.bias']
    squares = torch.einsum('bihw,ioyx->bohywx', below, weight)
    maps = squares.flatten(2, 3).flatten(3, 4) + bias.reshape(1, -1, 1, 1)
    maps = torch.cat([maps, *skips], 1)
    for part in ('first', 'second'):
        weight = weights[f'{name}.conv.{part}.conv.weight']
        bias = weights[f'{name}.conv.{part}.conv.bias']
        maps = F.conv2d(maps, weight, bias, padding=1).clamp(min=0)
    return maps


def plain_unet_plus_plus(f0, f1, f2, f3, weights):
    """The logits of X^{0,1}, X^{0,2} and X^{0,3}, node by node as the paper has it."""

    def node(name, below, *skips):
        return plain_node(weights, f'nodes.{name}', below, skips)

    def head(name, maps):
        weight = weights[f'{name}.weight'][..., 0, 0]
        bias = weights[f'{name}.bias'].reshape(1, -1, 1, 1)
        return torch.einsum('bchw,oc->bohw', maps, weight) + bias

    x01 = node('0_1', f1, f0)
    x11 = node('1_1', f2, f1)
    x21 = node('2_1', f3, f2)
    x02 = node('0_2', x11, f0, x01)
    x12 = node('1_2', x21, f1, x11)
    x03 = node('0_3', x12, f0, x01, x02)
    return head('side_heads.1', x01), head('side_heads.2', x02), head('conv_seg', x03)


@pytest.mark.parametrize('out_channels', [1, 3])
def test_equals_the_formulas_with_gradients(out_channels):
    channels, strides = (2, 3, 4, 5), (1, 2, 2, 6)
    classes = dict(num_classes=max(2, out_channels), out_channels=out_channels)
    head = make_head(channels, widths=(3, 2, 6), strides=strides, **classes).double()
    features = [
        feature.double().requires_grad_()
        for feature in make_features(channels, strides, (12, 18))
    ]
    weights = dict(head.named_parameters())
    plain = plain_unet_plus_plus(*features, weights)
    found = head.forward_levels(features)
    found = [found[1], found[2], found[0]]
    inputs = [*features, *weights.values()]
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    upstream = [torch.randn_like(logits) for logits in plain]
    for one, other in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)

    logits = head(features)  # accurate mode
    if out_channels == 1:
        mean = sum(logits.sigmoid() for logits in plain) / 3
        torch.testing.assert_close(logits.sigmoid(), mean, rtol=1e-9, atol=1e-12)
    else:
        mean = sum(logits.softmax(1) for logits in plain) / 3
        torch.testing.assert_close(logits.softmax(1), mean, rtol=1e-9, atol=1e-12)
    head.mode = 'fast'
    torch.testing.assert_close(head(features), plain[2], rtol=1e-9, atol=1e-9)


def test_mean_of_probabilities_by_hand():
    # Not the mean of the logits: sigmoid(0) and sigmoid(log 3) have the mean 5 / 8.
    logits = [torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 3.0).log()]
    assert average_probabilities(logits, softmax=False).exp().item() == pytest.approx(
        5 / 3
    )
    # (1/2, 1/2) and (1/4, 3/4) have the mean (3/8, 5/8).
    quarters = torch.tensor([1.0, 3.0]).log().reshape(1, 2, 1, 1)
    logits = [torch.zeros(1, 2, 1, 1), quarters]
    mean = average_probabilities(logits, softmax=True).exp().flatten().tolist()
    assert mean == pytest.approx([3 / 8, 5 / 8])
    # The sigmoids: 1/2 and 1/2, 1/2 and 3/4.
    mean = average_probabilities(logits, softmax=False).sigmoid().flatten().tolist()
    assert mean == pytest.approx([1 / 2, 5 / 8])


@pytest.mark.parametrize('channels', [1, 2])
def test_mean_of_certain_probabilities_is_finite(channels):
    logits = [torch.full((1, channels, 1, 1), value) for value in (-200.0, -300.0)]
    mean = average_probabilities(logits, softmax=channels > 1)
    assert mean.isfinite().all()
    if channels == 1:  # log((exp(-200) + exp(-300)) / 2)
        assert mean.item() == pytest.approx(-200 - torch.tensor(2).log().item())


def test_mean_is_that_of_the_image_at_any_stride():
    head = make_head((3, 4, 5), strides=(4, 8, 16))
    features = make_features((3, 4, 5), (4, 8, 16))
    levels = [head.to_input_size(x, features) for x in head.forward_levels(features)]
    mean = sum(logits.sigmoid() for logits in levels) / 2
    torch.testing.assert_close(head(features).sigmoid(), mean)


@pytest.mark.parametrize(
    'deep_supervision, out_channels', [(True, 1), (False, 1), (True, 3)]
)
@pytest.mark.parametrize('prune', [1, 2, 3, 4])
def test_pruned_is_head_k_of_the_whole_bit_for_bit(
    make_segmentor, tmp_path, prune, deep_supervision, out_channels
):
    norm_cfg = dict(type='BN')
    backbone = dict(type='UNetEncoder', in_channels=1, widths=SMALL, norm_cfg=norm_cfg)
    head = dict(
        type='UNetPlusPlusHead',
        in_channels=SMALL,
        num_classes=3 if out_channels == 3 else 2,
        out_channels=out_channels,
        norm_cfg=norm_cfg,
        mode='fast',
    )
    whole = make_segmentor(backbone, head)
    torch.save(dict(state_dict=whole.state_dict()), tmp_path / 'whole.pth')
    pruned = make_segmentor(
        dict(**backbone, prune=prune),
        dict(**head, prune=prune, deep_supervision=deep_supervision),
    )
    load_checkpoint(pruned, str(tmp_path / 'whole.pth'), strict=True)
    images = torch.randn(2, 1, 32, 16)
    levels = whole.decode_head.forward_levels(whole.extract_feat(images))
    assert len(levels) == 4
    assert torch.equal(pruned(images), levels[prune % 4])
    assert set(pruned.decode_head.nodes) == {
        f'{i}_{j}' for i in range(4) for j in range(1, 5) if i + j <= prune
    }

    # Its own checkpoint loads too; and it takes what it needs of an unpruned backbone.
    torch.save(pruned.state_dict(), tmp_path / 'pruned.pth')
    wide = make_segmentor(backbone, dict(**head, prune=prune))
    if deep_supervision:
        wide.decode_head.load_state_dict(pruned.decode_head.state_dict())
        wide.backbone.load_state_dict(whole.backbone.state_dict())
        assert torch.equal(wide(images), levels[prune % 4])
    again = deepcopy(pruned)
    for parameter in again.parameters():
        torch.nn.init.zeros_(parameter)
    load_checkpoint(again, str(tmp_path / 'pruned.pth'), strict=True)
    assert torch.equal(again(images), levels[prune % 4])


def test_pruned_in_accurate_mode_is_the_mean_of_its_heads():
    whole = make_head()
    pruned = make_head(prune=3)
    pruned.load_state_dict(whole.state_dict())
    features = make_features()
    levels = whole.forward_levels(features)[1:4]
    mean = sum(logits.sigmoid() for logits in levels) / 3
    torch.testing.assert_close(pruned(features).sigmoid(), mean)


def test_checkpoints_that_do_not_fit_a_pruned_network():
    whole = make_head()
    state = whole.state_dict()
    plain = make_head(deep_supervision=False).state_dict()
    with pytest.raises(ValueError, match=r"'nodes.0_1.conv.first.conv.weight' is \("):
        make_head((3, 3, 4, 5, 6), widths=(2, 3, 4, 5), prune=2).load_state_dict(state)
    with pytest.raises(ValueError, match=r"no 'side_heads.2.weight', so it was train"):
        make_head(prune=2).load_state_dict(plain)
    missing = {key: value for key, value in state.items() if '1_1.up' not in key}
    with pytest.raises(ValueError, match=r"it has no 'nodes.1_1.up.weight'"):
        make_head(prune=2).load_state_dict(missing)
    for prune in (None, 2):
        unknown = {**state, 'nodes.0_5.up.weight': torch.zeros(2)}
        with pytest.raises(ValueError, match=r"it has 'nodes.0_5.up.weight' of shape"):
            make_head(prune=prune).load_state_dict(unknown, strict=False)
    with pytest.raises(ValueError, match=r"it has no 'nodes.3_1.up.weight'"):
        whole.load_state_dict(make_head(prune=3).state_dict())
    with pytest.raises(ValueError, match=r"it has no 'side_heads.1.weight'"):
        whole.load_state_dict(plain)


def test_deep_supervision_loads_into_a_network_without():
    whole, plain = make_head(mode='fast'), make_head(deep_supervision=False)
    plain.load_state_dict(whole.state_dict())
    features = make_features()
    assert torch.equal(plain(features), whole(features))


def test_every_level_is_trained(make_samples):
    features = [feature.requires_grad_() for feature in make_features()]
    samples = make_samples(torch.randint(0, 2, (2, 16, 32)))

    def gradients(**kwargs):
        torch.manual_seed(1)
        head = make_head(act_cfg=dict(type='LeakyReLU'), **kwargs)
        losses = head.loss(features, samples, None)
        sum(losses.values()).backward()
        return losses, {
            name for name, p in head.named_parameters() if p.grad.abs().max() > 0
        }

    losses, reached = gradients()
    names = ['loss_ce', 'level1.loss_ce', 'level2.loss_ce', 'level3.loss_ce']
    assert list(losses) == names
    assert reached == {name for name, _ in make_head().named_parameters()}
    assert all(feature.grad.abs().max() > 0 for feature in features)

    # Level 2 alone trains the nodes of the U-Nets of depth 1 and 2, and its own head.
    weighted, reached = gradients(level_weights=(0, 0, 7, 0))
    parts = {tuple(name.split('.')[:2]) for name in reached}
    nodes = {('nodes', name) for name in ('0_1', '1_1', '0_2')}
    assert parts == nodes | {('side_heads', '2')}
    assert weighted['level2.loss_ce'] == 7 * losses['level2.loss_ce']
    assert weighted['loss_ce'] == weighted['level1.loss_ce'] == 0

    losses, reached = gradients(deep_supervision=False)
    assert list(losses) == ['loss_ce']
    assert not any(name.startswith('side_heads') for name in reached)


def test_a_pixel_of_a_feature_covers_its_part_of_the_image(centre_taps):
    head = make_head((1,) * 5, mode='fast')
    centre_taps(head)
    for level in range(5):
        features = [torch.zeros(1, 1, 32 >> i, 48 >> i) for i in range(5)]
        row, column = (24 >> level) - 1, 32 >> level
        features[level][0, 0, row, column] = 1
        for logits in head.forward_levels(features):
            lit = logits[0, 0, row << level : (row + 1) << level]
            lit = lit[:, column << level : (column + 1) << level]
            assert lit.unique().numel() == 1
            assert logits.sum() == lit.sum()
        assert lit.sum() > 0 or level == 4  # the last is X^{0,3}


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(mode='slow'), "mode must be 'accurate' or 'fast', found 'slow'"),
        (dict(prune=0), 'prune must be from 1 to 4, found 0'),
        (dict(prune=5), 'prune must be from 1 to 4, found 5'),
        (dict(widths=(2, 3)), 'widths for all of them but the last; found in_channels'),
    ],
)
def test_arguments_that_do_not_fit(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_head(**kwargs)
