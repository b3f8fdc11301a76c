"""Soft Dice of binary logits."""

import pytest
import torch
from mmseg.registry import MODELS
from monai.losses import DiceLoss

from mmseg_universeg.models.losses import SoftDiceLoss


def test_values_by_hand():
    # p = 3/4, 1/4, 1/2, 1/2 and y = 1, 0, 1, 0: overlap 5/4, sums 2 + 2.
    logits = torch.tensor([3.0, 1 / 3, 1, 1]).log().reshape(1, 1, 2, 2)
    target = torch.tensor([1, 0, 1, 0]).reshape(1, 1, 2, 2)
    loss = SoftDiceLoss(eps=1.0, loss_weight=2.0)(logits, target)
    assert loss.item() == pytest.approx(2 * (1 - (2.5 + 1) / (4 + 1)))


def test_each_image_counts_the_same():
    logits = torch.full((2, 1, 4, 4), -40.0)
    target = torch.zeros(2, 4, 4)
    target[0, 0, 0] = 1  # one small object missed, one empty image right
    loss = SoftDiceLoss(eps=1e-6)(logits, target)
    assert loss.item() == pytest.approx(0.5, abs=1e-2)


def test_agrees_with_monai():
    logits = 3 * torch.randn(4, 1, 9, 11)
    target = (logits + 3 * torch.randn(4, 1, 9, 11) > 0).float()
    target[3] = 0
    monai = DiceLoss(sigmoid=True, smooth_nr=1, smooth_dr=1)(logits, target)
    ours = SoftDiceLoss(eps=1)(logits, target)
    assert 0.05 < ours < 0.95
    torch.testing.assert_close(ours, monai, rtol=0, atol=1e-6)


@pytest.mark.parametrize('right', [True, False])
def test_right_is_cheap_and_inverted_is_dear(right):
    target = (torch.rand(3, 8, 8) > 0.5).long()
    logits = 40.0 * (2 * target - 1).unsqueeze(1) * (1 if right else -1)
    assert SoftDiceLoss()(logits, target).item() == pytest.approx(
        0 if right else 1, abs=0.02
    )


def test_computes_in_float32():
    loss = SoftDiceLoss()(torch.zeros(1, 1, 4, 4).bfloat16(), torch.zeros(1, 4, 4))
    assert loss.dtype == torch.float32


def test_gradients_agree_with_finite_differences():
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(2, 3, 4) > 0.5).long()
    assert torch.autograd.gradcheck(lambda x: SoftDiceLoss()(x, target), (logits,))


def test_refuses_what_is_not_binary():
    loss = MODELS.build(dict(type='SoftDiceLoss'))
    with pytest.raises(ValueError, match=r'\(1, 2, 4, 4\) and \(1, 1, 4, 4\)'):
        loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match='eps must be positive, got 0'):
        SoftDiceLoss(eps=0)
