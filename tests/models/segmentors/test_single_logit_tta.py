"""Flips of a segmentor with one logit: the mean probability, once a sigmoid."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_universeg.models import SingleLogitTTAModel

AXES = dict(horizontal=-1, vertical=-2)


@pytest.fixture
def model():
    """A small U-Net for images of any size, all of its weights random."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(
        ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor', test_cfg=dict(size_divisor=4)
            ),
            backbone=dict(type='UNetEncoder', widths=(4, 6, 8)),
            decode_head=dict(
                type='UNetHead',
                in_channels=(4, 6, 8),
                num_classes=2,
                out_channels=1,
                threshold=0.4,
            ),
            test_cfg=dict(mode='whole'),
        )
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def sample(truth, **meta):
    size = tuple(truth.shape)
    found = SegDataSample(
        metainfo=dict(img_path='0.png', ori_shape=size, img_shape=size, **meta)
    )
    found.gt_sem_seg = PixelData(data=truth[None])
    return found


@pytest.mark.parametrize(
    'order', [(None, 'horizontal', 'vertical'), ('vertical', None)]
)
def test_probabilities_are_averaged(model, order):
    image, truth = torch.randn(3, 14, 21), torch.randint(0, 2, (14, 21))
    inputs, samples, wanted = [], [], 0
    for way in order:
        turned = image.flip(AXES[way]) if way else image
        meta = dict(flip=bool(way), flip_direction=way)
        inputs.append([turned])
        samples.append([sample(truth.flip(AXES[way]) if way else truth, **meta)])
        padded = torch.nn.functional.pad(turned, (0, 3, 0, 2))[None]
        with torch.no_grad():
            logits = model.decode_head(model.backbone(padded))[0, :, :14, :21]
        probability = 1 / (1 + (-logits.double()).exp())
        wanted += (probability.flip(AXES[way]) if way else probability) / len(order)
    with torch.no_grad():
        (found,) = SingleLogitTTAModel(module=model).test_step(
            dict(inputs=inputs, data_samples=samples)
        )
    assert wanted.max() - wanted.min() > 0.2  # else nothing would be compared
    torch.testing.assert_close(
        found.seg_logits.data.double(), wanted, rtol=0, atol=1e-6
    )
    assert torch.equal(found.pred_sem_seg.data.bool(), wanted > 0.4)
    assert torch.equal(found.gt_sem_seg.data[0], truth)
    assert not found.metainfo['flip']


def test_only_flipped_images_have_no_truth(model):
    flipped = sample(torch.zeros(8, 8), flip=True, flip_direction='horizontal')
    flipped.seg_logits = PixelData(data=torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r'0\.png: every image .* is flipped'):
        SingleLogitTTAModel(module=model).merge_preds([[flipped]])


def test_is_for_one_output_channel(model):
    model.out_channels = 2
    with pytest.raises(TypeError, match='found a EncoderDecoder of 2'):
        SingleLogitTTAModel(module=model)
    with pytest.raises(TypeError, match='found a Linear of None'):
        linear = torch.nn.Linear(1, 1)
        linear.test_step = None
        SingleLogitTTAModel(module=linear)
