"""Structural similarity at several scales."""

import pytest
import torch
import torch.nn.functional as F
from monai.losses import SSIMLoss
from monai.metrics.regression import compute_ms_ssim

from mmseg_universeg.models.losses import MSSSIMLoss, ms_ssim_loss

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def smooth_logits(shape):
    """Logits that look like a prediction: smooth, mostly sure."""
    batch, channels, height, width = shape
    coarse = torch.randn(batch, channels, -(-height // 8), -(-width // 8))
    return 6 * F.interpolate(coarse, size=(height, width), mode='bilinear')


def labels_like(logits):
    """Labels as far from the logits as from a prediction: similar, not the same."""
    return (logits + 2 * torch.randn_like(logits)).argmax(1)


def one_hot(label, channels):
    return F.one_hot(label, channels).movedim(-1, 1).float()


def halved(maps):
    """Means of 2 x 2 pixels; of what there is of them at an odd border."""
    odd = (0, maps.shape[1] % 2, 0, maps.shape[0] % 2)
    return F.avg_pool2d(F.pad(maps[None, None], odd, mode='replicate'), 2)[0, 0]


def plain_ms_ssim(first, second, scales):
    """The definition, in float64, of two maps (H, W)."""
    places = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window = window / window.sum()
    exponents = [one / sum(EXPONENTS[:scales]) for one in EXPONENTS[:scales]]
    product = 1
    for scale in range(scales):
        x, y = (maps.unfold(0, 11, 1).unfold(1, 11, 1) for maps in (first, second))
        mean_x, mean_y = ((maps * window).sum((2, 3)) for maps in (x, y))
        dx, dy = x - mean_x[..., None, None], y - mean_y[..., None, None]
        var_x, var_y, cov = (
            (maps * window).sum((2, 3)) for maps in (dx * dx, dy * dy, dx * dy)
        )
        term = (2 * cov + 0.03**2) / (var_x + var_y + 0.03**2)
        if scale == scales - 1:
            term = term * (2 * mean_x * mean_y + 0.01**2)
            term = term / (mean_x**2 + mean_y**2 + 0.01**2)
        product = product * term.mean().clamp(min=0) ** exponents[scale]
        first, second = (halved(maps) for maps in (first, second))
    return product


@pytest.mark.parametrize(
    ('size', 'exponent'),
    [
        # One scale: SSIM; a flat map differs in luminance alone.
        ((1, 1), 1),
        ((5, 20), 1),
        ((20, 30), 1),
        # Two scales and five: the luminance counts at the last one only.
        ((40, 40), 0.2856 / (0.0448 + 0.2856)),
        ((161, 170), 0.1333),
    ],
)
def test_flat_maps_by_hand(size, exponent):
    logits = torch.full((1, 1, *size), 1 / 3).log()  # 1/4 everywhere
    luminance = (2 * 0.25 + 1e-4) / (0.25**2 + 1 + 1e-4)
    loss = MSSSIMLoss()(logits, torch.ones(1, *size).long())
    assert loss.item() == pytest.approx(1 - luminance**exponent, abs=1e-5)


@pytest.mark.parametrize(
    ('size', 'scales'), [((24, 20), 1), ((48, 44), 3), ((49, 43), 3)]
)
def test_equals_the_definition(size, scales):
    logits = smooth_logits((2, 3, *size)).double()
    label = labels_like(logits)
    probability, target = logits.softmax(1), one_hot(label, 3).double()
    expected = [
        1 - plain_ms_ssim(probability[b, c], target[b, c], scales)
        for b in range(2)
        for c in range(3)
    ]
    assert all(0.05 < value < 0.95 for value in expected)
    loss = MSSSIMLoss()(logits, label)
    torch.testing.assert_close(loss, sum(expected) / 6, rtol=0, atol=1e-12)


def test_agrees_with_monai_at_five_scales():
    logits = smooth_logits((1, 2, 192, 176))
    label = (smooth_logits((1, 1, 192, 176))[:, 0] + logits[:, 1] > 0).long()
    # Each map for itself: MONAI would pool the classes.
    maps = logits.softmax(1).transpose(0, 1), one_hot(label, 2).transpose(0, 1)
    monai = 1 - compute_ms_ssim(*maps, spatial_dims=2).mean()
    ours = MSSSIMLoss()(logits, label)
    assert 0.05 < ours < 0.95
    torch.testing.assert_close(ours, monai, rtol=0, atol=1e-6)


def test_agrees_with_monais_ssim_at_one_scale():
    logits = smooth_logits((2, 1, 16, 19))
    label = (logits[:, 0] + torch.randn(2, 16, 19) > 0).long()
    monai = SSIMLoss(spatial_dims=2)(logits.sigmoid(), label.unsqueeze(1).float())
    torch.testing.assert_close(MSSSIMLoss()(logits, label), monai, rtol=0, atol=1e-6)


def test_float32_is_enough_where_maps_are_flat():
    # Variances of nearly nothing: differences of numbers that are nearly equal.
    logits = torch.full((1, 1, 64, 64), 2.0) + 1e-3 * torch.randn(1, 1, 64, 64)
    label = torch.ones(1, 64, 64).long()
    label[0, :8, :8] = 0
    loss = MSSSIMLoss()
    single, double = loss(logits, label), loss(logits.double(), label)
    assert single.item() == pytest.approx(double.item(), abs=1e-5)


def test_gradients_agree_with_finite_differences_at_two_scales():
    logits = smooth_logits((1, 2, 23, 25)).double().requires_grad_()
    label = labels_like(logits)
    label[0, :3] = 255
    loss = MSSSIMLoss()
    value = loss(logits, label)
    (gradient,) = torch.autograd.grad(value, logits)
    # Nothing is clamped, and pixels count unless they are ignored.
    assert 0.05 < value < 0.95
    assert (gradient[:, :, 3:] != 0).all()
    assert torch.autograd.gradcheck(lambda x: loss(x, label), (logits,), fast_mode=True)


@pytest.mark.parametrize('size', [(9, 8), (32, 32)])
@pytest.mark.parametrize('sure', [1.0, 1e4])
def test_the_opposite_of_the_truth(size, sure):
    # Contrast terms below 0, whose powers are not defined.
    label = torch.arange(size[0]).view(-1, 1) + torch.arange(size[1])
    label = (label % 2).unsqueeze(0)
    logits = (sure * (1 - 2 * label)).float().unsqueeze(1).requires_grad_()
    loss = MSSSIMLoss()(logits, label)
    loss.backward()
    assert loss.item() == 1
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('value', [-1.0, 0.0, 1e-30])
def test_slope_where_hardly_anything_is_similar(value, monkeypatch):
    contrast = torch.full((1, 1, 2, 2), value, requires_grad=True)
    monkeypatch.setattr(ms_ssim_loss, 'compare', lambda *_: (contrast + 1, contrast))
    maps = torch.rand(1, 1, 4, 4)
    ms_ssim_loss.ms_ssim(maps, maps, EXPONENTS[:2]).sum().backward()
    assert contrast.grad.abs().max() < 1e5


@pytest.mark.parametrize(
    ('side', 'scales'),
    [(1, 1), (11, 1), (20, 1), (21, 2), (80, 3), (81, 4), (160, 4), (161, 5), (999, 5)],
)
def test_as_many_scales_as_have_room(side, scales):
    assert MSSSIMLoss().count_scales(side, 2000) == scales
    assert MSSSIMLoss().count_scales(2000, side) == scales


def test_small_images_are_reported_once(monkeypatch):
    said = []
    monkeypatch.setattr(
        ms_ssim_loss, 'print_log', lambda message, **_: said.append(message)
    )
    loss = MSSSIMLoss()
    loss.count_scales(320, 320)
    assert not said
    loss.count_scales(100, 320)
    loss.count_scales(50, 50)
    assert said == [
        'MSSSIMLoss: images of 100 x 320 pixels are compared at 4 of 5 scales; all '
        'want more than 160 pixels'
    ]


def test_classes_and_images_count_the_same():
    label = torch.zeros(2, 20, 20).long()
    logits = torch.full((2, 1, 20, 20), -200.0)
    logits[1] = 200  # all wrong: luminance C1 / (1 + C1)
    assert MSSSIMLoss()(logits, label).item() == pytest.approx(
        (1 - 1e-4 / (1 + 1e-4)) / 2
    )
