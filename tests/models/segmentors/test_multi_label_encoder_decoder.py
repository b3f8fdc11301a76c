"""Overlapping classes: losses, predictions and flips against plain restatements."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_universeg.models import MultiLabelTTAModel

LOSS = dict(type='HybridDiceCELoss', use_sigmoid=True)
WIDTHS = (4, 6, 8, 10)
COMMON = dict(num_classes=3, out_channels=3, norm_cfg=dict(type='BN'), loss_decode=LOSS)
SEGFORMER = dict(
    type='SegformerHead',
    in_channels=WIDTHS,
    in_index=(0, 1, 2, 3),
    channels=8,
    dropout_ratio=0,
    **COMMON,
)
FCN = dict(
    type='FCNHead', in_channels=8, in_index=2, channels=4, dropout_ratio=0, **COMMON
)
HEADS = dict(
    segformer=SEGFORMER,
    fcn=FCN,
    uper={**SEGFORMER, 'type': 'UPerHead', 'pool_scales': (1, 2)},
    psp={**FCN, 'type': 'PSPHead', 'pool_scales': (1, 2)},
    aspp={**FCN, 'type': 'DepthwiseSeparableASPPHead', 'c1_in_channels': 0,
          'c1_channels': 0, 'dilations': (1, 2)},
    unetpp=dict(
        type='UNetPlusPlusHead', in_channels=WIDTHS, multi_label=True, **COMMON
    ),
    unet3plus=dict(
        type='UNet3PlusHead',
        in_channels=WIDTHS,
        branch_channels=2,
        multi_label=True,
        **COMMON,
    ),
)  # fmt: skip


@pytest.fixture(scope='module', autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def make(head, divisor=8, **kwargs):
    """A small network in testing mode, with weights that make all classes occur."""
    torch.manual_seed(0)
    model = MODELS.build(
        ConfigDict(
            type='MultiLabelEncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor',
                size_divisor=divisor,
                test_cfg=dict(size_divisor=divisor),
            ),
            backbone=dict(type='UNetEncoder', widths=WIDTHS, norm_cfg=dict(type='BN')),
            decode_head=head,
            **{'test_cfg': dict(mode='whole'), **kwargs},
        )
    )
    for name, parameter in model.named_parameters():
        if 'conv_seg' in name:
            torch.nn.init.normal_(parameter)
    return model.eval()


def make_samples(truth, **meta):
    """Data samples of maps (B, C, H, W)."""
    samples = []
    for number, maps in enumerate(truth):
        size = tuple(maps.shape[1:])
        sample = SegDataSample(
            metainfo=dict(
                img_path=f'{number}.png', img_shape=size, ori_shape=size, **meta
            )
        )
        sample.gt_sem_seg = PixelData(data=maps)
        samples.append(sample)
    return samples


def plain_loss(logits, truth):
    """Mean binary cross-entropy plus the mean of the classes' Dice losses."""
    p = 1 / (1 + (-logits).exp())
    cross_entropy = -(truth * p.log() + (1 - truth) * (1 - p).log()).mean()
    dice = 0
    for channel in range(logits.shape[1]):
        one, other = p[:, channel], truth[:, channel]
        dice += 1 - (2 * (one * other).sum() + 1) / (one.sum() + other.sum() + 1)
    return cross_entropy + dice / logits.shape[1]


def test_losses_of_all_heads_by_a_plain_restatement():
    aux = {**FCN, 'loss_decode': {**LOSS, 'loss_weight': 0.4}}
    model = make(SEGFORMER, auxiliary_head=[aux, {**aux, 'in_index': 1,
                                                  'in_channels': 6}])  # fmt: skip
    model.double()
    images = torch.randn(2, 3, 24, 32, dtype=torch.float64)
    truth = torch.randint(0, 2, (2, 3, 24, 32))
    found = model.loss(images, make_samples(truth))
    features = model.extract_feat(images)
    heads = [model.decode_head, *model.auxiliary_head]
    names = ['decode', 'aux_0', 'aux_1']
    assert list(found) == [f'{name}.loss_dice_ce' for name in names]
    for name, head, factor in zip(names, heads, (1, 0.4, 0.4)):
        logits = F.interpolate(head(features), (24, 32), mode='bilinear')
        wanted = factor * plain_loss(logits, truth.double())
        torch.testing.assert_close(found[f'{name}.loss_dice_ce'], wanted)


def test_padding_is_ignored_in_the_loss():
    model = make(FCN)
    truth = torch.randint(0, 2, (1, 3, 13, 21))
    image = torch.randn(3, 13, 21)
    data = dict(inputs=[image], data_samples=make_samples(truth))
    data = model.data_preprocessor(data, training=True)
    assert data['inputs'].shape == (1, 3, 16, 24)
    found = model.loss(**data)['decode.loss_dice_ce']
    logits = model(data['inputs'])
    logits = F.interpolate(logits, (16, 24), mode='bilinear')[..., :13, :21]
    torch.testing.assert_close(found, plain_loss(logits, truth.float()))


@pytest.mark.parametrize('name', HEADS)
def test_every_head_learns(name):
    model = make(HEADS[name]).train()
    images = torch.randn(2, 3, 16, 16)
    # Two classes overlap in the left half, the third is everywhere.
    truth = torch.zeros(2, 3, 16, 16, dtype=torch.int64)
    truth[:, :2, :, :8] = 1
    truth[:, 2] = 1
    samples = make_samples(truth)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    values = []
    for _ in range(20):
        losses = model.loss(images, samples)
        assert all('loss' in name for name in losses)
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert all(p.grad is not None for p in model.decode_head.parameters())
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize('threshold', [0.5, (0.2, 0.5, 0.9)])
@pytest.mark.parametrize('size', [(24, 32), (13, 30)])
def test_predictions_at_the_original_size(threshold, size):
    model = make(SEGFORMER, threshold=threshold)
    images = torch.randn(2, 3, *size)
    samples = make_samples(torch.zeros(2, 3, 19, 27, dtype=torch.int64))
    for sample in samples:
        sample.set_metainfo(dict(img_shape=size))
    with torch.no_grad():
        results = model.test_step(dict(inputs=list(images), data_samples=samples))
    padded = F.pad(images, (0, -size[1] % 8, 0, -size[0] % 8))
    with torch.no_grad():
        logits = F.interpolate(model(padded), padded.shape[2:], mode='bilinear')
    logits = F.interpolate(logits[..., : size[0], : size[1]], (19, 27), mode='bilinear')
    bounds = torch.tensor(threshold).expand(3).view(3, 1, 1)
    for sample, wanted in zip(results, logits):
        torch.testing.assert_close(sample.seg_logits.data, wanted)
        found = sample.pred_sem_seg.data
        assert found.dtype == torch.int64
        assert torch.equal(found.bool(), sample.seg_logits.data.sigmoid() > bounds)
        assert found.flatten(1).float().mean(1).std() > 0
        assert found.sum(0).max() > 1  # classes overlap


def test_without_data_samples():
    model = make(SEGFORMER)
    images = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        results = model.predict(images)
        wanted = F.interpolate(model(images), (16, 24), mode='bilinear')
    found = torch.stack([sample.seg_logits.data for sample in results])
    torch.testing.assert_close(found, wanted)


def test_windows_are_averaged_as_logits():
    model = make(
        SEGFORMER,
        test_cfg=dict(mode='slide', crop_size=(16, 16), stride=(8, 8)),
    )
    image = torch.randn(3, 16, 32)
    samples = make_samples(torch.zeros(1, 3, 16, 32, dtype=torch.int64))
    with torch.no_grad():
        (found,) = model.test_step(dict(inputs=[image], data_samples=samples))
        total, count = torch.zeros(3, 16, 32), torch.zeros(32)
        for left in (0, 8, 16):
            window = model(image[None, :, :, left : left + 16])
            window = F.interpolate(window, (16, 16), mode='bilinear')[0]
            total[..., left : left + 16] += window
            count[left : left + 16] += 1
    torch.testing.assert_close(found.seg_logits.data, total / count)
    assert torch.equal(found.pred_sem_seg.data, (total / count > 0).long())


def flipped(image, direction):
    return image.flip(-1 if direction == 'horizontal' else -2)


@pytest.mark.parametrize('first', [None, 'vertical'])
def test_flips_are_averaged_as_probabilities(first):
    model = make(SEGFORMER, threshold=(0.3, 0.5, 0.6))
    image = torch.randn(3, 16, 24)
    truth = torch.randint(0, 2, (1, 3, 16, 24))
    inputs, samples, wanted = [], [], torch.zeros(3, 16, 24, dtype=torch.float64)
    for way in sorted((None, 'horizontal', 'vertical'), key=lambda way: way != first):
        meta = dict(flip=True, flip_direction=way) if way else dict(flip=False)
        turned = flipped(image, way) if way else image
        maps = flipped(truth, way) if way else truth
        inputs.append([turned])
        samples.append(make_samples(maps, **meta))
        with torch.no_grad():
            logits = F.interpolate(model(turned[None]), (16, 24), mode='bilinear')[0]
        probability = 1 / (1 + (-logits.double()).exp())
        wanted += (flipped(probability, way) if way else probability) / 3
    tta = MultiLabelTTAModel(module=model)
    with torch.no_grad():
        (result,) = tta.test_step(dict(inputs=inputs, data_samples=samples))
    found = result.seg_logits.data.double().sigmoid()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    bounds = torch.tensor([0.3, 0.5, 0.6]).view(3, 1, 1)
    assert torch.equal(result.pred_sem_seg.data.bool(), wanted > bounds)
    assert torch.equal(result.gt_sem_seg.data, truth[0])
    assert not result.metainfo['flip']


def test_one_class_gets_one_sigmoid():
    one = {**FCN, 'num_classes': 1, 'out_channels': 1}
    model = make(one)
    torch.nn.init.zeros_(model.decode_head.conv_seg.weight)
    # A probability of 0.01 everywhere.
    torch.nn.init.constant_(model.decode_head.conv_seg.bias, -4.59512)
    image = torch.randn(3, 16, 16)

    def batch():
        truth = torch.zeros(1, 1, 16, 16, dtype=torch.int64)
        ways = dict(flip=False), dict(flip=True, flip_direction='horizontal')
        samples = [make_samples(truth, **meta) for meta in ways]
        return dict(inputs=[[image], [image.flip(-1)]], data_samples=samples)

    with torch.no_grad():
        (found,) = MultiLabelTTAModel(module=model).test_step(batch())
    assert found.seg_logits.data.sigmoid().mean().item() == pytest.approx(0.01)
    assert found.pred_sem_seg.data.shape == (1, 16, 16)
    assert not found.pred_sem_seg.data.any()
    # What this avoids: MMSeg takes the sigmoid of 0.01, 0.5025, everywhere foreground.
    plain = MODELS.build(
        ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor'),
            backbone=dict(type='UNetEncoder', widths=WIDTHS, norm_cfg=dict(type='BN')),
            decode_head={**one, 'num_classes': 2, 'threshold': 0.5},
            test_cfg=dict(mode='whole'),
        )
    )
    plain.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        (found,) = SegTTAModel(module=plain.eval()).test_step(batch())
    assert found.pred_sem_seg.data.all()


def test_only_flipped_images_have_no_truth():
    truth = torch.zeros(1, 3, 8, 8, dtype=torch.int64)
    samples = make_samples(truth, flip=True, flip_direction='horizontal')
    samples[0].seg_logits = PixelData(data=torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match=r'0\.png: every image .* is flipped'):
        MultiLabelTTAModel(module=make(FCN)).merge_preds([samples])


def test_test_time_augmentation_is_for_this_segmentor():
    with pytest.raises(TypeError, match='found Linear'):
        linear = torch.nn.Linear(1, 1)
        linear.test_step = None
        MultiLabelTTAModel(module=linear)


@pytest.mark.parametrize(
    ('head', 'options', 'message'),
    [
        ({**FCN, 'out_channels': 1, 'num_classes': 2}, {}, 'out_channels=1'),
        ({**HEADS['unetpp'], 'multi_label': False}, {}, 'wanted multi_label=True'),
        (
            {**FCN, 'type': 'EncHead', 'in_channels': WIDTHS, 'in_index': (0, 1, 2, 3),
             'use_se_loss': False},
            {},
            'decode head EncHead: .* own way',
        ),
        ({**FCN, 'sampler': dict(type='OHEMPixelSampler')}, {}, 'has a sampler'),
        (FCN, dict(auxiliary_head={**FCN, 'type': 'DAHead', 'pam_channels': 2}),
         'aux head DAHead'),
        (FCN, dict(threshold=(0.5, 0.5)), 'or 3, one for each class; found'),
        (FCN, dict(threshold=1.5), 'from 0 to 1'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(head, options, message):
    with pytest.raises(ValueError, match=message):
        make(head, **options)


@pytest.mark.parametrize('name', ['fcn', 'unetpp'])
def test_label_maps_are_refused(name):
    samples = make_samples(torch.zeros(1, 1, 16, 16, dtype=torch.int64))
    with pytest.raises(ValueError, match=r'0\.png: gt_sem_seg is \(1, 16, 16\)'):
        make(HEADS[name]).loss(torch.randn(1, 3, 16, 16), samples)


def test_deep_supervision_averages_sigmoids():
    model = make(HEADS['unetpp'])
    head = model.decode_head
    for side in head.side_heads.values():
        torch.nn.init.normal_(side.weight)
    features = model.extract_feat(torch.randn(1, 3, 16, 16))
    levels = torch.stack(head.forward_levels(features)).double()
    wanted = (1 / (1 + (-levels).exp())).mean(0)
    torch.testing.assert_close(head(features).double().sigmoid(), wanted)


def test_presence_of_classes_is_for_label_maps():
    with pytest.raises(ValueError, match='CGM is for label maps'):
        make({**HEADS['unet3plus'], 'cgm_loss_weight': 1.0})
