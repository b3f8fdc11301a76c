"""A BEiT of smaller images keeps the position biases of the offsets that occur."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.models.backbones import BEiT

from mmseg_universeg.engine import BEiTWindowHook


def make(side):
    """Images of ``side`` patches a side."""
    torch.manual_seed(side)
    model = BEiT(
        img_size=(8 * side,) * 2, patch_size=8, embed_dims=16, num_layers=2, num_heads=4
    )
    for layer in model.layers:
        torch.nn.init.normal_(layer.attn.relative_position_bias_table)
    return model


def load(model, weights):
    BEiTWindowHook().after_load_checkpoint(SimpleNamespace(model=model), weights)
    model.load_state_dict(weights.get('state_dict', weights))


def biases(model):
    """(layers, heads, tokens, tokens), as the layers look them up."""
    return torch.stack(
        [
            layer.attn.relative_position_bias_table[layer.attn.relative_position_index]
            for layer in model.layers
        ]
    ).permute(0, 3, 1, 2)


@pytest.mark.parametrize('wrapped', [False, True])
def test_biases_between_the_same_patches(wrapped):
    large, small = make(5), make(3)
    weights = large.state_dict()
    load(small, dict(state_dict=weights) if wrapped else weights)
    # The class token, and the patches of the upper left corner.
    corner = [0, *(1 + 5 * row + column for row in range(3) for column in range(3))]
    wanted = biases(large)[:, :, corner][:, :, :, corner]
    assert torch.equal(biases(small), wanted)
    assert torch.equal(small.cls_token, large.cls_token)


def test_what_fits_is_not_changed():
    model, other = make(3), make(3)
    load(other, model.state_dict())
    assert torch.equal(biases(other), biases(model))


def test_smaller_images_have_not_all_biases():
    with pytest.raises(ValueError, match=r'of images of 3 patches a side, .* of 5'):
        load(make(5), make(3).state_dict())


def test_other_windows_are_refused():
    weights = make(3).state_dict()
    name = 'layers.1.attn.relative_position_bias_table'
    weights[name] = weights[name][:-1]
    with pytest.raises(ValueError, match=rf'{name}: wanted a square window, found 27'):
        load(make(3), weights)
