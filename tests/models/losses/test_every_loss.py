"""What holds for each loss of logits and labels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_universeg.models.decode_heads.skip_decode_head import SkipDecodeHead

IGNORED = 255
LOSSES = {
    'hybrid': dict(type='HybridDiceCELoss'),
    'hybrid squared per image': dict(
        type='HybridDiceCELoss', squared=True, per_image=True, smooth=1e-5
    ),
    'ms-ssim': dict(type='MSSSIMLoss'),
    'iou': dict(type='SoftIoULoss'),
    'iou per image': dict(type='SoftIoULoss', per_image=True),
    'focal': dict(type='MulticlassFocalLoss'),
    'focal alpha': dict(type='MulticlassFocalLoss', gamma=0.5, alpha=0.25),
}
AT_MOST_ONE = ('ms-ssim', 'iou', 'iou per image')
WEIGHTED = ('HybridDiceCELoss', 'MulticlassFocalLoss')
EQUAL_CLASSES = [name for name in LOSSES if name != 'focal alpha']

every_loss = pytest.mark.parametrize('name', LOSSES)
several = settings(max_examples=25, deadline=None)


def build(name, **options):
    return MODELS.build(LOSSES[name] | options)


@st.composite
def batches(draw, labels=('random', 'one class', 'ignored', 'partly ignored')):
    """Logits, labels, and whether the classes are predicted each for itself."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    shape = [draw(st.integers(1, 3)) for _ in range(2)]
    # MSSSIMLoss takes one scale below 21 pixels, two to 40, then three.
    lengths = draw(st.sampled_from([st.integers(1, 13), st.integers(21, 45)]))
    shape += [draw(lengths) for _ in range(2)]
    size = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4]))
    logits = size * (2 * torch.rand(shape, generator=generator) - 1)
    batch, channels, *image = shape
    sigmoid = draw(st.booleans())
    overlap = draw(st.booleans()) and (sigmoid or channels == 1)
    count = 2 if overlap else max(channels, 2)
    where = shape if overlap else [batch, *image]
    label = torch.randint(count, where, generator=generator)
    kind = draw(st.sampled_from(labels))
    if kind == 'one class':
        label[:] = draw(st.integers(0, count - 1))
    elif kind == 'ignored':
        label[:] = IGNORED
    elif kind == 'partly ignored':
        label[torch.rand(where, generator=generator) < 0.5] = IGNORED
    return logits, label, sigmoid


def perfect_logits(label, channels):
    """Logits that are as right as can be, 0 where ignored; label (B, H, W)."""
    if channels == 1:
        right = label.unsqueeze(1) == 1
    else:
        right = label.unsqueeze(1) == torch.arange(channels).view(1, -1, 1, 1)
    logits = torch.where(right, 200.0, -200.0)
    return torch.where((label == IGNORED).unsqueeze(1), 0, logits)


@every_loss
@several
@given(batches())
def test_neither_negative_nor_nan(name, batch):
    logits, label, sigmoid = batch
    logits.requires_grad_()
    loss = build(name, use_sigmoid=sigmoid)(logits, label)
    loss.backward()
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert 0 <= loss.item() < float('inf')
    if name in AT_MOST_ONE:
        assert loss.item() <= 1 + 1e-6
    assert logits.grad.isfinite().all()


@every_loss
@several
@given(batches(labels=['partly ignored', 'ignored']))
def test_ignored_pixels_do_not_count(name, batch):
    logits, label, sigmoid = batch
    ignored = label == IGNORED
    ignored = ignored if label.dim() == 4 else ignored.unsqueeze(1)
    other = torch.where(ignored, 7.0 - 3 * logits, logits)
    loss = build(name, use_sigmoid=sigmoid)
    logits.requires_grad_()
    value = loss(logits, label)
    value.backward()
    assert loss(other, label).item() == value.item()
    assert not logits.grad[ignored.expand_as(logits)].any()
    if ignored.all():
        assert value.item() == 0


@every_loss
@pytest.mark.parametrize('channels', [1, 2, 4])
@pytest.mark.parametrize('sigmoid', [False, True])
def test_perfect_where_it_counts_costs_nothing(name, channels, sigmoid):
    label = torch.randint(max(channels, 2), (2, 20, 26))
    label[:, :10] = IGNORED
    logits = perfect_logits(label, channels)
    assert build(name, use_sigmoid=sigmoid)(logits, label).item() == 0


@every_loss
@pytest.mark.parametrize('channels', [1, 3])
def test_wrong_is_dear(name, channels):
    label = torch.randint(max(channels, 2), (2, 24, 24))
    right = perfect_logits(label, channels)
    values = [build(name)(share * right, label).item() for share in (1, 0.01, 0, -1)]
    assert values == sorted(values)
    assert values[-1] > 0.8


@pytest.mark.parametrize('name', EQUAL_CLASSES)
@several
@given(batches(), st.randoms(use_true_random=False))
def test_order_of_images_and_classes_does_not_matter(name, batch, random):
    logits, label, sigmoid = batch
    logits = logits.double()  # MSSSIMLoss is steep where nothing is similar
    images, channels = (list(range(n)) for n in logits.shape[:2])
    random.shuffle(images)
    random.shuffle(channels)
    shuffled = label[images]
    if label.dim() == 4:
        shuffled = shuffled[:, channels]
    elif len(channels) > 1:
        new = torch.full((256,), IGNORED)
        new[channels] = torch.arange(len(channels))
        shuffled = new[shuffled]
    loss = build(name, use_sigmoid=sigmoid)
    torch.testing.assert_close(
        loss(logits[images][:, channels], shuffled), loss(logits, label)
    )


@every_loss
@several
@given(batches())
def test_overlapping_form_agrees_with_indices(name, batch):
    logits, label, _ = batch
    loss = build(name, use_sigmoid=True)
    if label.dim() == 4:
        label = label[:, 0]
    classes = torch.arange(logits.shape[1]) if logits.shape[1] > 1 else torch.ones(1)
    maps = (label.unsqueeze(1) == classes.view(1, -1, 1, 1)).long()
    maps[(label == IGNORED).unsqueeze(1).expand_as(maps)] = IGNORED
    assert loss(logits, maps).item() == loss(logits, label).item()


@every_loss
def test_one_channel_is_a_sigmoid_of_the_foreground(name):
    logits, label = torch.randn(2, 1, 12, 12), torch.randint(2, (2, 12, 12))
    expected = build(name, use_sigmoid=True)(logits, label.unsqueeze(1))
    for given_label in (label, label.bool(), label.to(torch.uint8)):
        assert build(name)(logits, given_label) == expected


@every_loss
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(name, dtype):
    label = torch.randint(3, (2, 30, 30))
    logits = torch.randn(2, 3, 30, 30).to(dtype)
    # More pixels than float16 can count, were they summed in it.
    logits[:, 0] = 11
    loss = build(name)
    expected = loss(logits.float(), label)
    leaf = logits.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        found = loss(leaf, label)
    found.backward()
    assert found.dtype == torch.float32
    assert found.item() == expected.item()
    assert leaf.grad.isfinite().all()


@every_loss
@pytest.mark.parametrize(('channels', 'sigmoid'), [(1, False), (3, False), (3, True)])
def test_gradients_agree_with_finite_differences(name, channels, sigmoid):
    logits = torch.randn(2, channels, 3, 4, dtype=torch.float64, requires_grad=True)
    label = torch.randint(max(channels, 2), (2, 3, 4))
    label[0, 1:] = IGNORED
    weight = torch.rand(2, 3, 4)
    loss = build(name, use_sigmoid=sigmoid, loss_weight=2.0)
    assert loss(logits, label).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: loss(x, label, weight), (logits,))


@every_loss
def test_pixel_weights(name):
    logits, label = torch.randn(2, 3, 12, 12), torch.randint(3, (2, 12, 12))
    loss = build(name)
    plain = loss(logits, label)
    assert loss(logits, label, weight=torch.ones(2, 12, 12)).item() == plain.item()
    raised = loss(logits, label, weight=1 + torch.rand(2, 12, 12))
    if LOSSES[name]['type'] in WEIGHTED:
        assert raised > plain
    else:
        assert raised == plain


@every_loss
def test_factor_and_name(name):
    logits, label = torch.randn(2, 3, 12, 12), torch.randint(3, (2, 12, 12))
    loss = build(name, loss_weight=3.0, loss_name='loss_mine')
    assert loss.loss_name == 'loss_mine'
    assert build(name).loss_name.startswith('loss_')
    torch.testing.assert_close(loss(logits, label), 3 * build(name)(logits, label))
    assert not loss.state_dict()


@every_loss
@pytest.mark.parametrize(
    ('logits', 'label', 'words'),
    [
        ((2, 3, 4), (2, 4), r'\(B, C, H, W\), not empty; found \(2, 3, 4\)'),
        ((0, 3, 4, 4), (0, 4, 4), r'not empty; found \(0, 3, 4, 4\)'),
        ((2, 3, 4, 4), (2, 4, 5), r'want labels \(2, 4, 4\), found \(2, 4, 5\)'),
        ((2, 3, 4, 4), (2, 3, 4, 4), r'want labels \(2, 4, 4\), found \(2, 3, 4, 4\)'),
        ((2, 1, 4, 4), (1, 4, 4), r'\(2, 4, 4\) or \(2, 1, 4, 4\), found \(1, 4, 4\)'),
    ],
)
def test_refuses_shapes_that_do_not_fit(name, logits, label, words):
    with pytest.raises(ValueError, match=words):
        build(name)(torch.zeros(logits), torch.zeros(label, dtype=torch.long))


@every_loss
def test_refuses_labels_outside_the_classes(name):
    logits, label = torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    loss = build(name)
    label[0, 0, :3] = torch.tensor([3, -1, IGNORED])
    with pytest.raises(ValueError, match=r'\[-1, 3\] are .* wanted 0 to 2 or 255'):
        loss(logits, label)
    with pytest.raises(ValueError, match=r'\[255\] are .* wanted 0 to 2 or 3'):
        loss(logits, label.clamp(min=0), ignore_index=3)
    label[0, 0, :3] = 2
    with pytest.raises(ValueError, match=r'\[2\] are .* wanted 0 to 1 or 255'):
        loss(logits[:, :1], label)
    with pytest.raises(ValueError, match=r'\[2\] are .* wanted 0 to 1 or 255'):
        loss(logits[:, :1], label.unsqueeze(1))
    with pytest.raises(ValueError, match='integers or bool, found'):
        loss(logits, label.float())


@every_loss
def test_refuses_weights_that_make_no_sense(name):
    logits, label = torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    loss = build(name)
    with pytest.raises(ValueError, match=r'must be \(1, 4, 4\) .* \(1, 1, 4, 4\)'):
        loss(logits, label, weight=torch.ones(1, 1, 4, 4))
    for value in (-1.0, float('inf'), float('nan')):
        weight = torch.ones(1, 4, 4)
        weight[0, 0, 0] = value
        with pytest.raises(ValueError, match='finite and not negative'):
            loss(logits, label, weight=weight)


@every_loss
def test_ignore_index_may_be_a_class(name):
    logits, label = torch.randn(1, 3, 12, 12), torch.randint(3, (1, 12, 12))
    loss = build(name)
    moved = torch.where(label == 0, IGNORED, label)
    assert loss(logits, label, ignore_index=0) == loss(logits, moved)


def samples(channels):
    made = []
    for _ in range(2):
        label = torch.randint(max(channels, 2), (1, 16, 16))
        label[0, :4] = IGNORED
        sample = SegDataSample(metainfo=dict(img_path='image'))
        sample.gt_sem_seg = PixelData(data=label)
        made.append(sample)
    return made


def head_options(channels):
    losses = [
        one | dict(loss_name=f'loss_{n}') for n, one in enumerate(LOSSES.values())
    ]
    return dict(
        channels=4,
        num_classes=max(channels, 2),
        out_channels=channels,
        threshold=0.5,
        loss_decode=losses,
    )


@pytest.mark.parametrize('channels', [1, 3])
def test_in_a_head_of_mmseg(channels):
    head = FCNHead(in_channels=5, num_convs=1, **head_options(channels))
    losses = head.loss([torch.randn(2, 5, 8, 8)], samples(channels), None)
    assert losses.keys() == {f'loss_{n}' for n in range(len(LOSSES))} | {'acc_seg'}
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert head.conv_seg.weight.grad.abs().sum() > 0


class OneLevelHead(SkipDecodeHead):
    def forward_levels(self, features):
        return [self.conv_seg(features[0])]


@pytest.mark.parametrize('channels', [1, 3])
def test_in_a_head_of_ours(channels):
    head = OneLevelHead([4], **head_options(channels))
    features, batch = [torch.randn(2, 4, 16, 16)], samples(channels)
    plain = head.loss(features, batch, None)
    for sample in batch:
        sample.gt_weight_map = PixelData(data=1 + torch.rand(1, 16, 16))
    weighted = head.loss(features, batch, None)
    assert list(plain) == list(weighted) == [f'loss_{n}' for n in range(len(LOSSES))]
    for one, before, after in zip(LOSSES.values(), plain.values(), weighted.values()):
        if one['type'] in WEIGHTED:
            assert after > before
        else:
            assert after == before
    sum(weighted.values()).backward()
    assert head.conv_seg.weight.grad.abs().sum() > 0
