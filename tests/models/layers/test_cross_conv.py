"""One cross block, by hand and against the paper's formulas."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_universeg.models.layers import CrossBlock, Supports


def run(block, target, supports, chunk, **kwargs):
    """Apply a block to supports (B, S, C, H, W) in chunks; join what comes out."""
    output, folded = block(
        target,
        Supports(
            len(supports),
            supports.shape[1],
            supports.mean(1),
            [part.flatten(0, 1) for part in supports.split(chunk, 1)],
        ),
        lambda maps: (maps.unflatten(0, (len(target), -1)),),
        **kwargs,
    )
    return output, torch.cat([maps for (maps,) in folded], dim=1)


def test_values_by_hand():
    # One channel each, only the centre tap: query weighs 2, support 3, bias 1.
    block = CrossBlock(1, 1, 1)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        block.cross.cross_conv.weight[0, :, 1, 1] = torch.tensor([2.0, 3.0])
        block.cross.cross_conv.bias.fill_(1)
        block.target.conv.weight[0, 0, 1, 1] = 1
        block.support.conv.weight[0, 0, 1, 1] = -1
    target = torch.full((1, 1, 2, 2), 5.0)
    supports = torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1, 1).expand(1, 2, 1, 2, 2)
    query, outputs = run(block, target, supports, 2)
    # z = 2 * 5 + 3 * (1 or 3) + 1 = 14 or 20; leaky slope 0.01.
    assert query.flatten().tolist() == pytest.approx([17.0] * 4)
    assert outputs[0, :, 0, 0, 0].tolist() == pytest.approx([-0.14, -0.20])


@pytest.mark.parametrize('cross', [None, 'LeakyReLU', 'ReLU'])
@pytest.mark.parametrize('channels', [(1, 2, 6), (4, 4, 3)])
@pytest.mark.parametrize('recompute', [False, True])
def test_equals_the_formulas_with_gradients(cross, channels, recompute):
    query_channels, support_channels, _ = channels
    block = CrossBlock(*channels, 'ReLU', cross).double()
    assert block.composed == (support_channels == 2)
    target = torch.randn(2, query_channels, 4, 6).double().requires_grad_()
    supports = torch.randn(2, 3, support_channels, 4, 6).double().requires_grad_()

    pairs = torch.cat([target.unsqueeze(1).expand(-1, 3, -1, -1, -1), supports], 2)
    z = block.cross.cross_conv(pairs.flatten(0, 1))
    z = block.cross_activation(z) if cross else z
    plain_query = F.relu(block.target.conv(z.unflatten(0, (2, 3)).mean(1)))
    plain_supports = F.relu(block.support.conv(z)).unflatten(0, (2, 3))

    query, outputs = run(block, target, supports, 2, recompute=recompute)
    torch.testing.assert_close(query, plain_query)
    torch.testing.assert_close(outputs, plain_supports)
    leaves = [target, supports, *block.parameters()]
    seeds = torch.randn_like(query), torch.randn_like(outputs)
    ours = torch.autograd.grad((query, outputs), leaves, seeds)
    plain = torch.autograd.grad((plain_query, plain_supports), leaves, seeds)
    for one, other in zip(ours, plain):
        torch.testing.assert_close(one, other)


def test_last_block_has_a_support_convolution_that_is_not_trained():
    block = CrossBlock(4, 4, 3, last=True)
    frozen = {name for name, p in block.named_parameters() if not p.requires_grad}
    assert frozen == {'support.vmapped.conv.weight', 'support.vmapped.conv.bias'}


def test_unknown_nonlinearity_is_named():
    with pytest.raises(ValueError, match=r"'GELU' is not known.*LeakyReLU"):
        CrossBlock(1, 2, 4, nonlinearity='GELU')
