"""The encoder against a plain restatement, its sizes and its checkpoints."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmengine.runner import load_checkpoint

from mmseg_universeg.models import UNetEncoder

BN = dict(type='BN')


def test_equals_the_formulas_with_gradients():
    encoder = UNetEncoder(2, (3, 4, 5)).double()
    images = torch.randn(2, 2, 8, 12).double()
    maps, plain = images, []
    for level in encoder.levels:
        if plain:  # the largest of every 2x2 pixels
            maps = maps.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).amax((3, 5))
        for conv in (level.first.conv, level.second.conv):
            maps = F.conv2d(maps, conv.weight, conv.bias, padding=1).clamp(min=0)
        plain.append(maps)
    found = encoder(images)
    assert isinstance(found, tuple)
    parameters = list(encoder.parameters())
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    total, plain_total = (sum((m**2).sum() for m in all_) for all_ in (found, plain))
    for one, other in zip(
        torch.autograd.grad(total, parameters),
        torch.autograd.grad(plain_total, parameters),
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@settings(max_examples=50, deadline=None)
@example(depth=5, height=1, width=1)
@given(depth=st.integers(1, 5), height=st.integers(1, 70), width=st.integers(1, 70))
def test_sizes_divide_or_are_refused(depth, height, width):
    encoder = UNetEncoder(1, (1,) * depth)
    divisor = 2 ** (depth - 1)
    images = torch.zeros(1, 1, height, width)
    if height % divisor or width % divisor:
        message = (
            rf'images are {height}x{width} \(height x width\), wanted multiples of '
            rf'{divisor}: pad them by SegDataPreProcessor\(size_divisor={divisor}, '
            rf'test_cfg=dict\(size_divisor={divisor}\)\)'
        )
        with pytest.raises(ValueError, match=message):
            encoder(images)
    else:
        shapes = [tuple(maps.shape[2:]) for maps in encoder(images)]
        assert shapes == [(height >> i, width >> i) for i in range(depth)]


@pytest.mark.parametrize('norm', ['BN', 'IN'])
def test_one_value_cannot_be_normalised(norm):
    encoder = UNetEncoder(1, (2, 2, 2), norm_cfg=dict(type=norm))
    with pytest.raises(ValueError, match=r'images of 4x4 .* level 2, \(1, 2, 1, 1\)'):
        encoder(torch.zeros(1, 1, 4, 4))
    assert encoder(torch.zeros(1, 1, 8, 4))[2].shape == (1, 2, 2, 1)


@pytest.mark.parametrize('norm_cfg', [None, BN])
def test_he_normal_by_default(norm_cfg):
    encoder = UNetEncoder(8, (32, 48), norm_cfg=norm_cfg)
    encoder.init_weights()
    convs = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    for conv in convs:
        wanted = (2 / (conv.in_channels * 9)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(wanted, rel=0.05)
        assert conv.bias is None or not conv.bias.any()


@pytest.mark.parametrize('prune', [-1, 3])
def test_prune_must_be_a_level(prune):
    with pytest.raises(ValueError, match=rf'from 0 to 2 for .*found {prune}'):
        UNetEncoder(1, (2, 3, 4), prune=prune)


def test_pruned_takes_the_first_levels_of_a_checkpoint():
    whole = UNetEncoder(1, (2, 3, 4, 5), norm_cfg=BN)
    images = torch.randn(2, 1, 16, 16)
    whole(images)  # gives the running statistics other values than those at first
    whole.eval()
    for prune in range(4):
        pruned = UNetEncoder(1, (2, 3, 4, 5), norm_cfg=BN, prune=prune)
        pruned.load_state_dict(whole.state_dict())
        pruned.eval()
        maps = pruned(images)
        assert len(maps) == prune + 1
        assert all(torch.equal(a, b) for a, b in zip(maps, whole(images)))
        assert set(pruned.state_dict()) <= set(whole.state_dict())
    with pytest.raises(ValueError, match=r"has no 'levels.3.first.conv.weight'"):
        whole.load_state_dict(pruned_state(whole))
    pruned = UNetEncoder(1, (2, 3, 4, 5), prune=2)
    with pytest.raises(ValueError, match=r"it has no 'levels.0.first.conv.bias'"):
        pruned.load_state_dict(whole.state_dict(), strict=False)


def pruned_state(encoder):
    state = encoder.state_dict()
    return {key: value for key, value in state.items() if 'levels.3' not in key}


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(in_channels=3), r"'levels.0.first.conv.weight' is \(2, 1, 3, 3\), "),
        (dict(widths=(2, 4)), r"'levels.1.first.conv.weight' is \(3, 2, 3, 3\), wan"),
        (dict(widths=(2, 3, 4)), r"it has no 'levels.2.first.conv.weight', wanted of"),
        (dict(widths=(2,)), r"it has 'levels.1.first.conv.weight' of shape \(3, 2, 3"),
        (dict(norm_cfg=None), r"it has no 'levels.0.first.conv.bias', wanted of shape"),
        (dict(residual=True), r"it has no 'levels.0.shortcut.conv.weight', wanted of"),
    ],
)
def test_checkpoint_of_another_encoder_is_an_error(tmp_path, kwargs, message):
    own = dict(in_channels=1, widths=(2, 3), norm_cfg=BN)
    torch.save(UNetEncoder(**own).state_dict(), tmp_path / 'weights.pth')
    other = UNetEncoder(**{**own, **kwargs})
    for encoder in (other, deepcopy(other)):  # a hook of MMEngine keeps a copy
        with pytest.raises(ValueError, match=message):
            load_checkpoint(encoder, str(tmp_path / 'weights.pth'))
