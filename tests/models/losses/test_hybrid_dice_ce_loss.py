"""Dice loss and cross-entropy together."""

from math import log

import pytest
import torch
import torch.nn.functional as F
from monai.losses import DiceCELoss, DiceLoss

from mmseg_universeg.models.losses import HybridDiceCELoss

# Foreground 3/4, 1/4, 1/2, 1/2: overlap with the label 5/4, sizes 2 and 2.
BINARY = torch.tensor([3.0, 1 / 3, 1, 1]).log().reshape(1, 1, 2, 2)
BINARY_LABEL = torch.tensor([1, 0, 1, 0]).reshape(1, 2, 2)
BINARY_CE = -(2 * log(3 / 4) + 2 * log(1 / 2)) / 4
# Two pixels, three classes: 1/2, 1/4, 1/4 and 1/4, 1/2, 1/4.
THREE = torch.tensor([[2.0, 1], [1, 2], [1, 1]]).log().reshape(1, 3, 1, 2)
THREE_LABEL = torch.tensor([0, 1]).reshape(1, 1, 2)
# Classes 0 and 1: 1 - (1 + 1) / (7/4 + 1). Class 2 is absent: 1 - 1 / (1/2 + 1).
THREE_DICE = (3 / 11, 3 / 11, 1 / 3)


def value(logits, label, weight=None, **options):
    return HybridDiceCELoss(**options)(logits, label, weight=weight).item()


def random_batch(channels=3, batch=3):
    logits = 2 * torch.randn(batch, channels, 6, 7)
    return logits, torch.randint(max(channels, 2), (batch, 6, 7))


def test_form_of_unet_plus_plus():
    # Released: 0.5 * cross-entropy - Dice of the flattened batch, smooth 1.
    logits = BINARY.repeat(2, 1, 1, 1)
    label = torch.cat([BINARY_LABEL, torch.zeros_like(BINARY_LABEL)])
    cross_entropy = (BINARY_CE - (log(1 / 4) + log(3 / 4) + 2 * log(1 / 2)) / 4) / 2
    dice = (2 * 5 / 4 + 1) / (4 + 2 + 1)
    assert value(logits, label, ce_weight=0.5) == pytest.approx(
        0.5 * cross_entropy + 1 - dice
    )


def test_form_of_medsam():
    options = dict(squared=True, per_image=True, smooth=1e-5)
    squares = (9 + 1 + 4 + 4) / 16
    dice = 1 - (2 * 5 / 4) / (squares + 2)
    assert value(BINARY, BINARY_LABEL, **options) == pytest.approx(
        dice + BINARY_CE, abs=1e-5
    )
    logits, label = random_batch(channels=1)
    target = label.unsqueeze(1).float()
    monai = DiceLoss(sigmoid=True, squared_pred=True)(logits, target)
    expected = monai + F.binary_cross_entropy_with_logits(logits, target)
    assert value(logits, label, **options) == pytest.approx(expected.item())


def test_softmax_by_hand():
    assert value(THREE, THREE_LABEL, ce_weight=0) == pytest.approx(sum(THREE_DICE) / 3)
    assert value(THREE, THREE_LABEL, dice_weight=0) == pytest.approx(log(2))
    assert value(THREE, THREE_LABEL, dice_weight=2, ce_weight=3) == pytest.approx(
        2 * sum(THREE_DICE) / 3 + 3 * log(2)
    )


def test_background_counts_in_the_cross_entropy_only():
    options = dict(include_background=False)
    assert value(THREE, THREE_LABEL, **options) == pytest.approx(
        (3 / 11 + 1 / 3) / 2 + log(2)
    )
    # One channel has no background to leave out.
    assert value(BINARY, BINARY_LABEL, **options) == value(BINARY, BINARY_LABEL)


def test_class_weights_by_hand():
    options = dict(class_weight=[1, 4, 2])
    assert value(THREE, THREE_LABEL, **options, ce_weight=0) == pytest.approx(
        (3 / 11 + 4 * 3 / 11 + 2 / 3) / 3
    )
    assert value(THREE, THREE_LABEL, **options, dice_weight=0) == pytest.approx(
        (1 + 4) / 2 * log(2)
    )
    # Sigmoid: the weight is that of a channel, right or wrong.
    overlapping = torch.cat([BINARY, BINARY], 1)
    label = torch.stack([BINARY_LABEL, BINARY_LABEL], 1)
    assert value(
        overlapping, label, use_sigmoid=True, class_weight=[1, 4], dice_weight=0
    ) == pytest.approx(5 / 2 * BINARY_CE)


def test_pixel_weights_are_factors_of_the_cross_entropy():
    weight = torch.tensor([7.0, 2]).reshape(1, 1, 2)
    assert value(THREE, THREE_LABEL, weight, ce_weight=0) == value(
        THREE, THREE_LABEL, ce_weight=0
    )
    assert value(THREE, THREE_LABEL, weight, dice_weight=0) == pytest.approx(
        (7 + 2) / 2 * log(2)
    )
    # An ignored pixel takes its weight along.
    label = torch.tensor([255, 1]).reshape(1, 1, 2)
    assert value(THREE, label, weight, dice_weight=0) == pytest.approx(2 * log(2))


def test_per_image_and_over_the_batch_by_hand():
    label = torch.tensor([[1, 1], [0, 0]]).reshape(2, 1, 2)
    logits = torch.zeros(2, 1, 1, 2)  # 1/2 everywhere
    options = dict(ce_weight=0)
    # Sums over the batch: overlap 1, sizes 2 and 2.
    assert value(logits, label, **options) == pytest.approx(1 - 3 / 5)
    # First image: overlap 1, sizes 1 and 2. Second: 0, 1 and 0.
    assert value(logits, label, **options, per_image=True) == pytest.approx(
        ((1 - 3 / 4) + (1 - 1 / 2)) / 2
    )


@pytest.mark.parametrize('per_image', [False, True])
def test_absent_class(per_image):
    logits = torch.full((2, 3, 8, 8), -200.0)
    logits[:, 0] = 200
    label = torch.zeros(2, 8, 8, dtype=torch.long)
    options = dict(per_image=per_image)
    assert value(logits, label, **options) == 0
    values = []
    for wrong in (1, 8, 64):
        logits[:, 2].view(2, 64)[:, :wrong] = 400
        values.append(value(logits, label, ce_weight=0, **options))
    assert values[0] < values[1] < values[2] < 1


def test_missed_small_class_is_dear():
    # MMSeg's DiceLoss, one Dice of all pixels, finds 0.002 here.
    label = torch.zeros(1, 100, 100, dtype=torch.long)
    label[0, 0, :10], label[0, 1, :10] = 1, 2
    logits = torch.full((1, 3, 100, 100), -200.0)
    logits[:, 0] = 200
    assert value(logits, label, ce_weight=0) == pytest.approx(2 / 3 * 10 / 11, abs=1e-3)


@pytest.mark.parametrize('squared', [False, True])
@pytest.mark.parametrize('per_image', [False, True])
@pytest.mark.parametrize('include_background', [False, True])
def test_agrees_with_monai_under_the_softmax(squared, per_image, include_background):
    logits, label = random_batch()
    monai = DiceCELoss(
        softmax=True,
        to_onehot_y=True,
        squared_pred=squared,
        batch=not per_image,
        include_background=include_background,
        smooth_nr=0.5,
        smooth_dr=0.5,
        lambda_dice=2,
        lambda_ce=3,
    )(logits, label.unsqueeze(1))
    ours = HybridDiceCELoss(
        squared=squared,
        per_image=per_image,
        include_background=include_background,
        smooth=0.5,
        dice_weight=2,
        ce_weight=3,
    )(logits, label)
    torch.testing.assert_close(ours, monai)


@pytest.mark.parametrize('squared', [False, True])
@pytest.mark.parametrize('per_image', [False, True])
def test_agrees_with_monai_where_classes_overlap(squared, per_image):
    logits = torch.randn(3, 4, 6, 7)
    label = torch.randint(2, logits.shape)
    factors = torch.tensor([1.0, 2, 3, 4])
    monai = DiceLoss(
        sigmoid=True,
        squared_pred=squared,
        batch=not per_image,
        smooth_nr=1,
        smooth_dr=1,
        weight=factors,
    )(logits, label.float())
    cross_entropy = F.binary_cross_entropy_with_logits(
        logits, label.float(), weight=factors.view(1, 4, 1, 1)
    )
    ours = HybridDiceCELoss(
        use_sigmoid=True,
        squared=squared,
        per_image=per_image,
        class_weight=factors.tolist(),
    )(logits, label)
    torch.testing.assert_close(ours, monai + cross_entropy)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('sigmoid', [False, True])
def test_ignoring_is_leaving_out(channels, sigmoid):
    logits, label = random_batch(channels, batch=2)
    label[torch.rand(label.shape) < 0.4] = 255
    weight = torch.rand(label.shape)
    kept = label != 255
    loss = HybridDiceCELoss(use_sigmoid=sigmoid)
    only = loss(
        logits.movedim(1, -1)[kept].T.reshape(1, channels, 1, -1),
        label[kept].view(1, 1, -1),
        weight[kept].view(1, 1, -1),
    )
    torch.testing.assert_close(loss(logits, label, weight), only)


def test_ignored_pixels_of_one_class_where_classes_overlap():
    logits = torch.randn(1, 2, 1, 2)
    label = torch.tensor([[[1, 255]], [[0, 1]]]).unsqueeze(0)
    signed = torch.stack([logits[0, 0, 0, 0], -logits[0, 1, 0, 0], logits[0, 1, 0, 1]])
    expected = -F.logsigmoid(signed).mean()
    assert value(logits, label, use_sigmoid=True, dice_weight=0) == pytest.approx(
        expected.item()
    )


def test_logits_of_minus_infinity_for_another_class():
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 2] = -float('inf')
    logits.requires_grad_()
    loss = HybridDiceCELoss(dice_weight=0)(logits, torch.zeros(1, 2, 2).long())
    loss.backward()
    assert loss.item() == pytest.approx(log(2))
    assert logits.grad.isfinite().all()


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(ValueError, match='not be negative, found -1 and 1'):
        HybridDiceCELoss(dice_weight=-1)
    with pytest.raises(ValueError, match='smooth must be positive, found 0'):
        HybridDiceCELoss(smooth=0)
    for factors in ([1, 2], [1, 2, -3]):
        with pytest.raises(ValueError, match='class_weight must be 3 numbers'):
            value(THREE, THREE_LABEL, class_weight=factors)
