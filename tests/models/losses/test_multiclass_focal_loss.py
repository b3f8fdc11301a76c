"""Focal loss of one or several classes."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from monai.losses import FocalLoss

from mmseg_universeg.models.losses import MulticlassFocalLoss

# The truth has 1/2 in the first pixel and 1/4 in the second.
THREE = torch.tensor([[2.0, 1], [1, 2], [1, 1]]).log().reshape(1, 3, 1, 2)
THREE_LABEL = torch.tensor([0, 2]).reshape(1, 1, 2)
FIRST, SECOND = -((1 / 2) ** 2) * log(1 / 2), -((3 / 4) ** 2) * log(1 / 4)


def value(logits, label, weight=None, **options):
    return MulticlassFocalLoss(**options)(logits, label, weight=weight).item()


def random_batch(channels=3):
    logits = 2 * torch.randn(2, channels, 6, 7)
    return logits, torch.randint(max(channels, 2), (2, 6, 7))


def test_softmax_by_hand():
    assert value(THREE, THREE_LABEL) == pytest.approx((FIRST + SECOND) / 2)
    assert value(THREE, THREE_LABEL, gamma=0.5) == pytest.approx(
        -(((1 / 2) ** 0.5) * log(1 / 2) + ((3 / 4) ** 0.5) * log(1 / 4)) / 2
    )
    assert value(THREE, THREE_LABEL, alpha=0.8) == pytest.approx(
        (0.2 * FIRST + 0.8 * SECOND) / 2
    )
    assert value(THREE, THREE_LABEL, class_weight=[3, 9, 5]) == pytest.approx(
        (3 * FIRST + 5 * SECOND) / 2
    )
    weight = torch.tensor([7.0, 2]).reshape(1, 1, 2)
    assert value(THREE, THREE_LABEL, weight) == pytest.approx(
        (7 * FIRST + 2 * SECOND) / 2
    )


def test_sigmoid_by_hand():
    logits = torch.tensor([3.0, 3.0]).log().reshape(1, 1, 1, 2)  # 3/4 foreground
    label = torch.tensor([1, 0]).reshape(1, 1, 2)
    right, wrong = -((1 / 4) ** 2) * log(3 / 4), -((3 / 4) ** 2) * log(1 / 4)
    assert value(logits, label) == pytest.approx((right + wrong) / 2)
    assert value(logits, label, alpha=0.8) == pytest.approx(
        (0.8 * right + 0.2 * wrong) / 2
    )


def test_without_gamma_it_is_the_cross_entropy():
    logits, label = random_batch()
    label[:, 0] = 255
    assert value(logits, label, gamma=0) == pytest.approx(
        F.cross_entropy(logits, label, ignore_index=255).item()
    )
    logits, label = random_batch(channels=1)
    assert value(logits, label, gamma=0) == pytest.approx(
        F.binary_cross_entropy_with_logits(logits[:, 0], label.float()).item()
    )


@pytest.mark.parametrize('gamma', [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize('alpha', [None, 0.25])
@pytest.mark.parametrize('softmax', [True, False])
def test_agrees_with_monai(gamma, alpha, softmax):
    logits, label = random_batch()
    factors = [1.0, 2.0, 5.0]
    monai = FocalLoss(
        to_onehot_y=True,
        use_softmax=softmax,
        gamma=gamma,
        alpha=alpha,
        weight=factors,
    )(logits, label.unsqueeze(1))
    # Under the softmax, too, MONAI divides by the number of classes.
    expected = monai * 3 if softmax else monai
    ours = MulticlassFocalLoss(
        use_sigmoid=not softmax, gamma=gamma, alpha=alpha, class_weight=factors
    )(logits, label)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('sigmoid', [False, True])
def test_ignoring_is_leaving_out(channels, sigmoid):
    logits, label = random_batch(channels)
    label[torch.rand(label.shape) < 0.4] = 255
    kept = label != 255
    options = dict(use_sigmoid=sigmoid, alpha=0.3)
    only = value(
        logits.movedim(1, -1)[kept].T.reshape(1, channels, 1, -1),
        label[kept].view(1, 1, -1),
        **options,
    )
    assert value(logits, label, **options) == pytest.approx(only)


@pytest.mark.parametrize('gamma', [0, 0.1, 0.5, 1, 2])
@pytest.mark.parametrize('channels', [1, 3])
def test_gradient_of_what_is_surely_right(gamma, channels):
    label = torch.ones(1, 2, 2).long()
    logits = torch.full((1, channels, 2, 2), -100.0)
    logits[:, channels // 2] = 100
    logits.requires_grad_()
    MulticlassFocalLoss(gamma=gamma)(logits, label).backward()
    assert logits.grad.abs().max() < 1e-37


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(ValueError, match='gamma must not be negative, found -1'):
        MulticlassFocalLoss(gamma=-1)
    with pytest.raises(ValueError, match=r'alpha must be in \[0, 1\], found 4'):
        MulticlassFocalLoss(alpha=4)
    for factors in ([1, 2], [1, 2, -3]):
        with pytest.raises(ValueError, match='class_weight must be 3 numbers'):
            value(THREE, THREE_LABEL, class_weight=factors)
