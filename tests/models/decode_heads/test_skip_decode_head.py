"""What all decoders do with sizes, labels, weights and losses."""

from math import exp, log

import pytest
import torch
from mmengine.structures import PixelData

from mmseg_universeg.models.decode_heads import SkipDecodeHead

BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)


class PassingHead(SkipDecodeHead):
    """Gives the features as logits, so that losses can be computed by hand."""

    def forward_levels(self, features):
        return features


def make_head(**kwargs):
    return PassingHead(
        **{
            **dict(in_channels=(1, 1), channels=1, num_classes=2, out_channels=1),
            **dict(loss_decode=BCE),
            **kwargs,
        }
    )


def softplus(value):
    return log(1 + exp(value))


def test_losses_by_hand_and_by_level(make_samples):
    features = [torch.full((1, 1, 2, 4), 2.0), torch.full((1, 1, 1, 2), -1.0)]
    labels = torch.tensor([[[0, 1, 1, 255], [0, 1, 1, 255]]])
    losses = make_head().loss(features, make_samples(labels), None)
    # Binary cross-entropy of 2 and 4 pixels; MMSeg's mean counts the ignored ones.
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {
            'loss_ce': (2 * softplus(2) + 4 * softplus(-2)) / 8,
            'level1.loss_ce': (2 * softplus(-1) + 4 * softplus(1)) / 8,
        }
    )
    weighted = make_head(level_weights=(3, 0.5)).loss(
        features, make_samples(labels), None
    )
    assert weighted['loss_ce'] == 3 * losses['loss_ce']
    assert weighted['level1.loss_ce'] == 0.5 * losses['level1.loss_ce']
    head = make_head(
        loss_decode=[BCE, dict(**BCE, loss_weight=2.0), dict(**BCE, loss_name='other')]
    )
    several = head.loss(features, make_samples(labels), None)
    assert list(several) == ['loss_ce', 'other', 'level1.loss_ce', 'level1.other']
    assert several['loss_ce'].item() == pytest.approx(3 * losses['loss_ce'].item())
    assert several['other'] == losses['loss_ce']


def test_pixel_weights_reach_every_level(make_samples):
    features = [torch.full((2, 1, 2, 4), 2.0), torch.full((2, 1, 1, 2), -1.0)]
    labels = torch.tensor([[0, 0, 1, 1]]).expand(2, 2, 4)
    right = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1]])
    plain = make_head().loss(features, make_samples(labels), None)
    ones = make_head().loss(
        features, make_samples(labels, [torch.ones(2, 4)] * 2), None
    )
    assert ones == plain
    # At level 0 the left half is wrong, at level 1 the right half.
    half = make_head().loss(features, make_samples(labels, [right, right]), None)
    assert half['loss_ce'].item() == pytest.approx(softplus(-2) / 2)
    assert half['level1.loss_ce'].item() == pytest.approx(softplus(1) / 2)
    assert half['loss_ce'] < plain['loss_ce'] / 2 < half['level1.loss_ce']


def test_weight_map_without_the_padding_of_its_labels(make_samples):
    features = [torch.full((2, 1, 2, 4), 2.0), torch.full((2, 1, 1, 2), -1.0)]
    labels = torch.tensor([[1, 1, 1, 1], [255, 255, 255, 255]]).expand(2, 2, 4)
    maps = [torch.full((1, 3), 8.0), torch.full((1, 4), 8.0).double()]
    head = make_head()
    labels, weights = head.stack_truth(make_samples(labels, maps))
    assert labels.dtype == torch.int64
    assert weights.dtype == torch.float32
    assert weights[0].tolist() == [[8, 8, 8, 0], [0] * 4]
    assert weights[1].tolist() == [[8, 8, 8, 8], [0] * 4]
    losses = head.loss(features, make_samples(labels, maps), None)
    assert losses['loss_ce'].item() == pytest.approx(8 * 7 * softplus(-2) / 16)


def test_weight_maps_that_do_not_fit(make_samples):
    labels = torch.zeros(2, 2, 4)
    ones = torch.ones(2, 4)
    head = make_head()
    with pytest.raises(ValueError, match=r'1.png: has no gt_weight_map, others of'):
        head.stack_truth(make_samples(labels, [ones, None]))
    for shape in ((3, 4), (2, 5)):
        message = rf'1.png: gt_weight_map \({shape[0]}, {shape[1]}\) is larger than its'
        with pytest.raises(ValueError, match=message):
            head.stack_truth(make_samples(labels, [ones, torch.ones(shape)]))


@pytest.mark.parametrize('wrong', [2, 254, -1])
def test_labels_outside_the_classes(make_samples, wrong):
    labels = torch.zeros(3, 2, 4)
    labels[1, 0, :2] = torch.tensor([wrong, 255])
    features = [torch.zeros(3, 1, 2, 4), torch.zeros(3, 1, 1, 2)]
    message = (
        rf'1.png: labels \[{wrong}\] are outside the classes, wanted 0 to 1 or 255'
    )
    with pytest.raises(ValueError, match=message):
        make_head().loss(features, make_samples(labels), None)


def test_nothing_but_ignored_pixels(make_samples):
    features = [torch.randn(1, 3, 2, 4), torch.randn(1, 3, 1, 2)]
    for feature in features:
        feature.requires_grad_()
    head = make_head(
        in_channels=(3, 3),
        num_classes=3,
        out_channels=3,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    )
    labels = torch.full((1, 2, 4), 255)
    losses = head.loss(features, make_samples(labels), None)
    assert all(value == 0 for value in losses.values())
    sum(losses.values()).backward()
    assert not any(feature.grad.any() for feature in features)


def test_labels_of_another_size_than_the_image(make_samples):
    features = [torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 1, 2)]
    message = r'image of size \(2, 4\) .* labels, .* are of size \(4, 4\)'
    with pytest.raises(ValueError, match=message):
        make_head().loss(features, make_samples(torch.zeros(1, 4, 4)), None)


def test_level_weights_of_another_number(make_samples):
    features = [torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 1, 2)]
    with pytest.raises(ValueError, match=r'must be 2 numbers.*found \(1, 1, 1\)'):
        make_head(level_weights=(1, 1, 1)).loss(
            features, make_samples(torch.zeros(1, 2, 4)), None
        )


@pytest.mark.parametrize('strides', [(1, 2, 4), (2, 1), (2, 3), (4,)])
def test_strides_that_do_not_fit(strides):
    with pytest.raises(ValueError, match='strides must be 2 numbers, each a multiple'):
        make_head(strides=strides)


def test_options_without_use():
    with pytest.raises(ValueError, match='PassingHead has no use for sampler'):
        make_head(sampler=dict(type='OHEMPixelSampler'))
    with pytest.raises(ValueError, match='PassingHead has no use for conv_cfg'):
        make_head(conv_cfg=dict(type='Conv2d'))


def test_features_that_do_not_fit():
    head = make_head(in_channels=(1, 2), strides=(2, 4))
    fine = [torch.zeros(1, 1, 4, 6), torch.zeros(1, 2, 2, 3)]
    assert head(fine).shape == (1, 1, 8, 12)
    with pytest.raises(ValueError, match=r'features \[0, 1\] .*, which gives 1'):
        head(fine[:1])
    with pytest.raises(ValueError, match=r'gives \[2, 1\] channels, in_.* is \[1, 2\]'):
        head(fine[::-1])
    with pytest.raises(
        ValueError, match=r'sizes \[\(4, 6\), \(2, 2\)\] .* strides \(2, 4\).*divisor=4'
    ):
        head([fine[0], fine[1][..., :2]])


def test_features_by_index():
    head = make_head(in_channels=(1, 3), in_index=(1, 3), strides=(2, 8))
    features = [torch.zeros(1, level, 8 >> level, 8 >> level) for level in range(4)]
    one, other = head.select_features(features)
    assert one is features[1]
    assert other is features[3]


def test_prediction_is_not_stretched_to_an_image_of_another_size():
    head = make_head(strides=(4, 8))
    features = [torch.randn(1, 1, 4, 2), torch.randn(1, 1, 2, 1)]
    logits = head.predict(features, [dict(img_shape=(16, 8))], None)
    assert torch.equal(logits, head(features))
    padded = dict(img_shape=(13, 7), pad_shape=(16, 8))
    assert torch.equal(head.predict(features, [padded], None), logits)
    message = (
        r'image of size \(16, 8\) .*, the images are of size \(13, 7\).*multiples of '
        r'8: pad it by SegDataPreProcessor\(size_divisor=8'
    )
    with pytest.raises(ValueError, match=message):
        head.predict(features, [dict(img_shape=(13, 7))], None)


def test_upsampling_to_the_input_is_centred():
    # A pixel at stride 4 stands for the 4x4 pixels of the image that it covers.
    head = make_head(strides=(4, 8))
    features = [torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 3, 3)]
    features[0][0, 0, 2, 3] = 1
    logits = head(features)[0, 0]
    rows, columns = torch.arange(24.0), torch.arange(24.0)
    assert (logits.sum(1) @ rows / logits.sum()).item() == pytest.approx(4 * 2 + 1.5)
    assert (logits.sum(0) @ columns / logits.sum()).item() == pytest.approx(4 * 3 + 1.5)


def test_data_of_samples_is_left_alone(make_samples):
    samples = make_samples(torch.zeros(1, 2, 4), [torch.ones(1, 2)])
    make_head().stack_truth(samples)
    assert isinstance(samples[0].gt_weight_map, PixelData)
    assert samples[0].gt_weight_map.shape == (1, 2)
