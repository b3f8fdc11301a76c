"""The branch that says which classes an image shows."""

import pytest
import torch

from mmseg_universeg.models.layers import PresenceBranch

ABSENT, PRESENT = (2.0, -2.0), (-2.0, 2.0)


def make_branch(classes=(1, 2)):
    return PresenceBranch(3, classes)


def test_logits_are_the_largest_of_each_class():
    branch = make_branch().eval()
    feature = torch.randn(2, 3, 4, 5)
    maps = torch.einsum('oc,bchw->bohw', branch.conv.weight[..., 0, 0], feature)
    maps = maps + branch.conv.bias.view(-1, 1, 1)
    wanted = maps.flatten(2).max(2).values.view(2, 2, 2)
    torch.testing.assert_close(branch(feature), wanted)


def test_drops_half_of_the_feature_in_training():
    branch = make_branch()
    feature = torch.randn(2, 3, 4, 5)
    assert not torch.equal(branch(feature), branch(feature))
    branch.eval()
    assert torch.equal(branch(feature), branch(feature))


def test_loss_by_hand():
    # Images: class 1; class 2, with class 1 only said to be present; nothing known.
    logits = torch.tensor([[PRESENT, ABSENT], [PRESENT, PRESENT], [PRESENT, PRESENT]])
    labels = torch.full((3, 2, 2), 255)
    labels[0] = torch.tensor([[0, 1], [1, 255]])
    labels[1] = torch.tensor([[2, 0], [255, 0]])
    right, wrong = torch.tensor([-4.0, 4.0]).exp().log1p()
    wanted = (3 * right + wrong) / 4
    found = make_branch().loss(logits, labels, 255)
    torch.testing.assert_close(found, wanted)


def test_loss_of_a_batch_in_which_nothing_is_known():
    logits = torch.randn(2, 2, 2, requires_grad=True)
    loss = make_branch().loss(logits, torch.full((2, 4, 4), 7), 7)
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros(2, 2, 2))


def test_loss_of_half_precision_is_computed_in_float32():
    logits = torch.tensor([[ABSENT]], dtype=torch.float16)
    loss = PresenceBranch(3, [1]).loss(logits, torch.zeros(1, 2, 2).long(), 255)
    assert loss.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_gates_the_foreground_of_a_sigmoid(dtype):
    seg_logits = torch.randn(2, 1, 3, 4).to(dtype)
    gated = PresenceBranch(3, [1]).gate(seg_logits, torch.tensor([[ABSENT], [PRESENT]]))
    assert gated.dtype == dtype
    assert torch.equal(gated[0].sigmoid(), torch.zeros(1, 3, 4, dtype=dtype))
    assert torch.equal(gated[1], seg_logits[1])


def test_gates_each_class_of_each_image_of_a_softmax():
    seg_logits = 20 * torch.randn(3, 3, 4, 5, dtype=torch.float64)
    logits = torch.tensor([[ABSENT, PRESENT], [PRESENT, ABSENT], [ABSENT, ABSENT]])
    found = make_branch().gate(seg_logits, logits).softmax(1)
    wanted = seg_logits.softmax(1)
    kept = torch.tensor([[1, 0, 1], [1, 1, 0], [1, 0, 0]]).view(3, 3, 1, 1)
    wanted = kept * wanted / (kept * wanted).sum(1, keepdim=True)
    torch.testing.assert_close(found, wanted)
    assert torch.equal(found[2, 0], torch.ones(4, 5, dtype=torch.float64))


def test_one_logit_as_large_as_the_other_is_present():
    seg_logits = torch.randn(1, 1, 3, 4)
    gated = PresenceBranch(3, [1]).gate(seg_logits, torch.zeros(1, 1, 2))
    assert torch.equal(gated, seg_logits)
