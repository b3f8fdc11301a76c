"""Soft intersection over union."""

import pytest
import torch
from monai.losses import DiceLoss

from mmseg_universeg.models.losses import SoftIoULoss

# Foreground 3/4, 1/4, 1/2, 1/2: intersection 5/4, union 11/4.
BINARY = torch.tensor([3.0, 1 / 3, 1, 1]).log().reshape(1, 1, 2, 2)
BINARY_LABEL = torch.tensor([1, 0, 1, 0]).reshape(1, 2, 2)


def value(logits, label, **options):
    return SoftIoULoss(**options)(logits, label).item()


def test_value_by_hand():
    assert value(BINARY, BINARY_LABEL) == pytest.approx(1 - (5 / 4 + 1) / (11 / 4 + 1))
    assert value(BINARY, BINARY_LABEL, smooth=1e-6) == pytest.approx(
        1 - 5 / 11, abs=1e-5
    )


def test_mean_of_classes_by_hand():
    # Two pixels: 1/2, 1/4, 1/4 and 1/4, 1/2, 1/4; labels 0 and 1.
    logits = torch.tensor([[2.0, 1], [1, 2], [1, 1]]).log().reshape(1, 3, 1, 2)
    label = torch.tensor([0, 1]).reshape(1, 1, 2)
    # Intersection 1/2, union 5/4; the absent class 0 and 1/2.
    losses = (1 - 1.5 / 2.25, 1 - 1.5 / 2.25, 1 - 1 / 1.5)
    assert value(logits, label) == pytest.approx(sum(losses) / 3)
    assert value(logits, label, include_background=False) == pytest.approx(
        sum(losses[1:]) / 2
    )


def test_per_image_and_over_the_batch_by_hand():
    label = torch.tensor([[1, 1], [0, 0]]).reshape(2, 1, 2)
    logits = torch.zeros(2, 1, 1, 2)  # 1/2 everywhere
    # Over the batch: intersection 1, union 3.
    assert value(logits, label) == pytest.approx(1 - 2 / 4)
    # First image: intersection 1, union 2. Second: 0 and 1.
    assert value(logits, label, per_image=True) == pytest.approx(
        ((1 - 2 / 3) + (1 - 1 / 2)) / 2
    )


@pytest.mark.parametrize('per_image', [False, True])
def test_nothing_labelled_and_nothing_predicted(per_image):
    logits = torch.full((2, 1, 8, 8), -200.0, requires_grad=True)
    loss = SoftIoULoss(per_image=per_image, smooth=1e-6)
    found = loss(logits, torch.zeros(2, 8, 8).long())
    found.backward()
    assert found.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize('per_image', [False, True])
@pytest.mark.parametrize('include_background', [False, True])
@pytest.mark.parametrize('sigmoid', [False, True])
def test_agrees_with_monai(per_image, include_background, sigmoid):
    logits, label = torch.randn(3, 4, 6, 7), torch.randint(4, (3, 6, 7))
    # MONAI's fraction is twice ours above and below, without what smooths it.
    monai = DiceLoss(
        jaccard=True,
        sigmoid=sigmoid,
        softmax=not sigmoid,
        to_onehot_y=True,
        batch=not per_image,
        include_background=include_background,
        smooth_nr=2,
        smooth_dr=2,
    )(logits, label.unsqueeze(1))
    ours = SoftIoULoss(
        use_sigmoid=sigmoid,
        per_image=per_image,
        include_background=include_background,
        smooth=1,
    )(logits, label)
    torch.testing.assert_close(ours, monai)


def test_ignoring_is_leaving_out():
    logits, label = torch.randn(2, 3, 6, 7), torch.randint(3, (2, 6, 7))
    label[torch.rand(label.shape) < 0.4] = 255
    kept = label != 255
    only = value(
        logits.movedim(1, -1)[kept].T.reshape(1, 3, 1, -1), label[kept].view(1, 1, -1)
    )
    assert value(logits, label) == pytest.approx(only)


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(ValueError, match='smooth must be positive, found 0'):
        SoftIoULoss(smooth=0)
