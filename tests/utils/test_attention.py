"""Attention as the layers use it, and rollout against plain matrices."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones import BEiT, MixVisionTransformer, VisionTransformer
from torch import nn

from mmseg_universeg.utils.attention import (
    check_size,
    head_maps,
    patch_shares,
    recorded_attention,
    rollout_map,
)

SMALL = dict(patch_size=8, embed_dims=16, num_layers=3, num_heads=4)
BACKBONES = {
    'vit': (VisionTransformer, dict(img_size=32, **SMALL), (32, 48)),
    'vit without class token': (
        VisionTransformer,
        dict(img_size=32, with_cls_token=False, **SMALL),
        (32, 48),
    ),
    'beit': (BEiT, dict(img_size=(32, 48), **SMALL), (32, 48)),
    'segformer': (
        MixVisionTransformer,
        dict(embed_dims=8, num_layers=[2, 1, 2, 1], num_heads=[1, 2, 5, 8],
             sr_ratios=[4, 2, 2, 1]),
        (64, 96),
    ),
}  # fmt: skip


@pytest.fixture(params=BACKBONES)
def recorded(request):
    """A backbone of random weights, its stages, and what its attention got and gave."""
    kind, options, size = BACKBONES[request.param]
    torch.manual_seed(0)
    backbone = kind(**options)
    backbone.eval()
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, std=0.2)
    seen = []
    handles = [
        module.register_forward_hook(
            lambda module, args, kwargs, out: seen.append((module, args, kwargs, out)),
            with_kwargs=True,
        )
        for module in backbone.modules()
        if isinstance(module, nn.MultiheadAttention)
        or type(module).__name__ == 'BEiTAttention'
    ]
    with torch.no_grad(), recorded_attention(backbone) as stages:
        backbone(torch.randn(1, 3, *size))
    for handle in handles:
        handle.remove()
    return backbone, stages, seen


def layers_of(stages):
    return [layer for stage in stages for layer in stage.layers]


def test_rows_sum_to_one(recorded):
    _, stages, seen = recorded
    layers = layers_of(stages)
    assert len(layers) == len(seen)
    for layer in layers:
        assert layer.min() >= 0
        torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:-1]))
        assert layer.std(-1).min() > 1e-4  # not the same for all keys


def test_attention_gives_the_layers_own_output(recorded):
    _, stages, seen = recorded
    for weights, (module, args, kwargs, output) in zip(layers_of(stages), seen):
        if isinstance(module, nn.MultiheadAttention):
            width = module.embed_dim
            values = F.linear(
                kwargs['value'][:, 0],
                module.in_proj_weight[2 * width :],
                module.in_proj_bias[2 * width :],
            )
            project, own = module.out_proj, output[0][:, 0]
        else:
            bias = torch.cat([module.q_bias, 0 * module.q_bias, module.v_bias])
            values = F.linear(args[0][0], module.qkv.weight, bias).chunk(3, -1)[2]
            project, own = module.proj, output[0]
        heads = values.unflatten(-1, (len(weights), -1)).transpose(0, 1)
        joined = (weights @ heads).transpose(0, 1).flatten(1)
        torch.testing.assert_close(project(joined), own, rtol=1e-4, atol=1e-5)


def key_matrix(stage):
    """Which patches each key stands for, (keys, queries), by loops."""
    (rows, columns), side = stage.grid, stage.reduction
    key_rows, key_columns = rows // side, columns // side
    matrix = torch.zeros(key_rows * key_columns, rows * columns, dtype=torch.float64)
    for row in range(key_rows * side):
        for column in range(key_columns * side):
            key = row // side * key_columns + column // side
            matrix[key, row * columns + column] = 1 / side**2
    return matrix


def patch_matrix(stage, below):
    """Which patches below each patch is made of, (queries, queries below), by loops."""
    rows, columns = stage.grid
    matrix = torch.zeros(rows * columns, below[0] * below[1], dtype=torch.float64)
    for row in range(rows):
        for column in range(columns):
            under = [
                (y, x)
                for y in range(row * 2 - 1, row * 2 + 2)
                for x in range(column * 2 - 1, column * 2 + 2)
                if 0 <= y < below[0] and 0 <= x < below[1]
            ]
            for y, x in under:
                matrix[row * columns + column, y * below[1] + x] = 1 / len(under)
    return matrix


def test_rollout_is_a_product_of_matrices(recorded):
    backbone, stages, _ = recorded
    total, size = None, None
    for number, stage in enumerate(stages):
        if number:
            total = patch_matrix(stage, size) @ total
        size = stage.grid
        for layer in stage.layers:
            mean = layer.double().mean(0)
            if isinstance(backbone, MixVisionTransformer):
                mean = mean @ key_matrix(stage)
            step = (mean + torch.eye(len(mean), dtype=torch.float64)) / 2
            total = step if total is None else step @ total
        torch.testing.assert_close(total.sum(1), torch.ones_like(total[:, 0]))
        shares = torch.rand(len(total))
        shares /= shares.sum()
        found = rollout_map(stages[: number + 1], shares)
        wanted = (shares.double() @ total)[stages[0].first_token :]
        torch.testing.assert_close(
            found.flatten().double(), wanted, rtol=1e-4, atol=1e-7
        )


def test_maps_of_heads_lie_on_the_grid(recorded):
    _, stages, _ = recorded
    for stage in stages:
        shares = torch.zeros(stage.layers[0].shape[1])
        shares[stage.first_token + 1] = 0.25
        shares[-1] = 0.75
        maps = head_maps(stage, 0, shares)
        rows, columns = stage.key_grid
        weights = stage.layers[0]
        for head, row, column in ((0, 0, columns - 1), (-1, rows - 1, 0)):
            key = stage.first_token + row * columns + column
            from_second, from_last = weights[head, [stage.first_token + 1, -1], key]
            assert maps[head, row, column].item() == pytest.approx(
                (0.25 * from_second + 0.75 * from_last).item()
            )


def test_shares_of_regions(recorded):
    _, stages, _ = recorded
    stage = stages[0]
    rows, columns = stage.grid
    mask = torch.zeros(4 * rows, 4 * columns)
    mask[4 * rows - 1, 2] = 1
    pixel = patch_shares(mask, stage)
    assert pixel.nonzero().tolist() == [[stage.first_token + (rows - 1) * columns]]
    assert pixel.sum() == 1
    # A whole patch, and a quarter of the next.
    mask.zero_()
    mask[:4, :4] = 1
    mask[2:4, 4:6] = 1
    shares = patch_shares(mask, stage)[stage.first_token :]
    assert shares[:3].tolist() == pytest.approx([0.8, 0.2, 0])
    with pytest.raises(ValueError, match='region is empty'):
        patch_shares(torch.zeros(4 * rows, 4 * columns), stage)


def test_hooks_are_gone_and_change_nothing():
    torch.manual_seed(0)
    kind, options, size = BACKBONES['vit']
    backbone = kind(**options)
    backbone.eval()
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        plain = backbone(image)
        with recorded_attention(backbone) as stages:
            found = backbone(image)
        assert all(torch.equal(one, other) for one, other in zip(plain, found))
        backbone(image)
    assert len(stages[0].layers) == 3


def test_sizes_that_patches_do_not_cover(recorded):
    backbone, stages, _ = recorded
    segformer = isinstance(backbone, MixVisionTransformer)
    # 8 pixels a patch; or 4 each with 4 a key, then 8 with 2, 16 with 2, and 32.
    least = 32 if segformer else 8
    check_size(stages, (3 * least, 5 * least))
    for size in ((least + 4, least), (least, least + 4)):
        with pytest.raises(ValueError, match=f'multiples of {least}, which patches'):
            check_size(stages, size)


def test_what_cannot_be_recorded_is_refused():
    kind, options, size = BACKBONES['vit']
    backbone = kind(**options)
    with (
        pytest.raises(ValueError, match='training mode'),
        recorded_attention(backbone),
    ):
        pass
    backbone.eval()
    image = torch.randn(1, 3, *size)
    with (
        pytest.raises(ValueError, match='found a second batch of 1'),
        recorded_attention(backbone),
    ):
        backbone(image)
        backbone(image)
    with (
        pytest.raises(ValueError, match='batch of 2'),
        recorded_attention(backbone),
    ):
        backbone(image.repeat(2, 1, 1, 1))
    with (
        pytest.raises(TypeError, match='found Linear'),
        recorded_attention(nn.Linear(1, 1)),
    ):
        pass
