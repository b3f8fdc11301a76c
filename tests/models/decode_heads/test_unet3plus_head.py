"""UNet 3+ against a plain restatement, its side outputs and its class gate."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_universeg.models import UNet3PlusHead, UNetEncoder

WIDTHS = (64, 128, 256, 512, 1024)
BN = dict(type='BN')
BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)
# Strides of U-Net, ResNet, MobileNetV2 with equal neighbours, and EfficientNet.
STRIDES = [(1, 2, 4, 8, 16), (4, 8, 16, 32), (2, 4, 8, 8, 16), (2, 4, 8, 16, 32)]


def make_head(strides=(1, 2, 4), **kwargs):
    """A small head with random parameters and statistics."""
    settings = dict(num_classes=2, out_channels=1, norm_cfg=BN, loss_decode=BCE)
    if kwargs.get('num_classes', 2) > 2:
        settings.update(out_channels=None, loss_decode=dict(type='CrossEntropyLoss'))
    settings.update(strides=strides, branch_channels=3, **kwargs)
    head = UNet3PlusHead([3 + 2 * i for i in range(len(strides))], **settings)
    for tensor in [*head.parameters(), *head.buffers()]:
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5)
    for name, parameter in head.named_parameters():
        if 'norm' not in name and 'fusion.1' not in name:
            nn.init.normal_(parameter, std=0.3)
    return head


def make_features(head, size=(32, 64), dtype=torch.float32):
    return [
        torch.randn(2, channels, size[0] // s, size[1] // s, dtype=dtype)
        for channels, s in zip(head.in_channels, head.strides)
    ]


def make_samples(labels):
    samples = []
    for number, label in enumerate(labels):
        size = tuple(label.shape)
        meta = dict(img_path=f'{number}.png', img_shape=size, ori_shape=size)
        samples.append(SegDataSample(metainfo=meta))
        samples[-1].gt_sem_seg = PixelData(data=label[None])
    return samples


@pytest.mark.parametrize(
    'in_channels, deep_supervision, cgm_loss_weight, wanted',
    [
        (1, False, None, 26_970_625),
        (3, False, None, 26_971_777),
        (1, True, None, 26_988_485),
        (3, True, None, 26_989_637),
        (1, True, 1.0, 26_990_535),
        (3, True, 1.0, 26_991_687),
    ],
)
def test_published_numbers_of_parameters(
    in_channels, deep_supervision, cgm_loss_weight, wanted
):
    encoder = UNetEncoder(in_channels, WIDTHS, norm_cfg=BN, bias=True)
    head = UNet3PlusHead(
        WIDTHS,
        num_classes=2,
        out_channels=1,
        norm_cfg=BN,
        deep_supervision=deep_supervision,
        cgm_loss_weight=cgm_loss_weight,
    )
    parameters = [*encoder.parameters(), *head.parameters()]
    assert sum(parameter.numel() for parameter in parameters) == wanted


@pytest.mark.parametrize('strides', STRIDES)
@pytest.mark.parametrize('training', [False, True])
def test_equals_the_plain_form(plain_unet3plus, strides, training):
    head = make_head(strides, num_classes=3).double().train(training)
    features = make_features(head, dtype=torch.float64)
    for feature in features:
        feature.requires_grad_()
    weights = {**dict(head.named_parameters()), **dict(head.named_buffers())}
    wanted = plain_unet3plus(weights, features, strides, training)
    ours = [head.to_input_size(x, features) for x in head.forward_levels(features)]
    assert len(ours) == len(strides)
    for one, other in zip(ours, wanted, strict=True):
        assert one.shape == (2, 3, 32, 64)
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    leaves = [*features, *head.parameters()]
    seeds = [torch.randn_like(one) for one in ours]
    ours = torch.autograd.grad(ours, leaves, seeds)
    wanted = torch.autograd.grad(wanted, leaves, seeds)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize('strides', STRIDES)
def test_mirrored_features_and_kernels_give_mirrored_logits(strides):
    head = make_head(strides).double().eval()
    features = make_features(head, dtype=torch.float64)
    wanted = head(features).flip(2, 3)
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.flip(2, 3)
    found = head([feature.flip(2, 3) for feature in features])
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    'norm_cfg', [None, dict(type='IN'), dict(type='GN', num_groups=3)]
)
def test_every_parameter_is_trained(norm_cfg):
    head = make_head(norm_cfg=norm_cfg, cgm_loss_weight=0.5)
    head.init_weights()
    samples = make_samples(torch.randint(0, 2, (2, 32, 64)))
    losses = head.loss(make_features(head), samples, None)
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert name.endswith('bias') or parameter.grad.abs().max() > 0, name


def test_losses_of_all_rows_or_of_the_finest():
    features = make_features(make_head())
    samples = make_samples(torch.randint(0, 2, (2, 32, 64)))
    deep = make_head(deep_supervision=True).loss(features, samples, None)
    plain = make_head(deep_supervision=False).loss(features, samples, None)
    assert list(deep) == ['loss_ce', 'level1.loss_ce', 'level2.loss_ce']
    assert list(plain) == ['loss_ce']


def test_loss_of_a_row_is_that_of_its_upsampled_logits():
    head = make_head(level_weights=(1, 0.5, 2))
    features = make_features(head)
    labels = torch.randint(0, 2, (2, 32, 64))
    losses = head.loss(features, make_samples(labels), None)
    logits = head.side_heads[1](features[2])
    logits = F.interpolate(logits, (32, 64), mode='bilinear')
    wanted = F.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    torch.testing.assert_close(losses['level2.loss_ce'], 2 * wanted)


def test_refuses_sizes_that_do_not_divide():
    head = make_head()
    features = make_features(head)
    features[2] = features[2][..., :-1]
    with pytest.raises(ValueError, match=r'do not fit together at strides \(1, 2, 4\)'):
        head(features)


def test_refuses_a_single_feature():
    with pytest.raises(ValueError, match=r'two or more in_channels, found \(8,\)'):
        UNet3PlusHead((8,), num_classes=2, out_channels=1)


BACKBONES = {
    'resnet': (
        dict(type='ResNet', depth=18, base_channels=4, stem_channels=4),
        dict(in_channels=(4, 8, 16, 32), strides=(4, 8, 16, 32)),
    ),
    'mobilenet-v2': (
        dict(type='MobileNetV2', widen_factor=0.25, out_indices=(0, 1, 2, 3, 4, 6)),
        dict(in_channels=(8, 8, 8, 16, 24, 80), strides=(2, 4, 8, 16, 16, 32)),
    ),
}


def make_segmentor(backbone, **kwargs):
    backbone, head = BACKBONES[backbone]
    head = dict(head, type='UNet3PlusHead', branch_channels=4, norm_cfg=BN, **kwargs)
    model = EncoderDecoder(
        backbone=backbone,
        decode_head=head,
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor',
            size_divisor=32,
            test_cfg=dict(size_divisor=32),
        ),
        test_cfg=ConfigDict(mode='whole'),
    )
    model.init_weights()
    return model.eval()


def predict(model, image):
    samples = make_samples(torch.zeros(1, *image.shape[1:]).long())
    with torch.no_grad():
        (result,) = model.test_step(dict(inputs=[image], data_samples=samples))
    return result.seg_logits.data, result.pred_sem_seg.data


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('size', [(64, 96), (33, 50), (1, 1)])
def test_logits_at_image_size_from_other_backbones(backbone, size):
    model = make_segmentor(backbone, num_classes=3)
    image = torch.randn(3, *size)
    logits, mask = predict(model, image)
    padded = F.pad(image, (0, -size[1] % 32, 0, -size[0] % 32))
    with torch.no_grad():
        wanted = model(padded[None])[0, :, : size[0], : size[1]]
    torch.testing.assert_close(logits, wanted)
    assert torch.equal(mask[0], wanted.argmax(0))


def say(head, absent, present):
    """Let the class branch say the same logits of every class and image."""
    nn.init.zeros_(head.cgm.conv.weight)
    head.cgm.conv.bias.data = torch.tensor([absent, present]).repeat(
        len(head.cgm.classes)
    )


@pytest.mark.parametrize('num_classes', [2, 4])
def test_an_image_said_to_be_empty_is_predicted_empty(num_classes):
    model = make_segmentor(
        'resnet',
        num_classes=num_classes,
        out_channels=1 if num_classes == 2 else num_classes,
        loss_decode=BCE if num_classes == 2 else dict(type='CrossEntropyLoss'),
        cgm_loss_weight=1.0,
    )
    # So sure of the foreground that the gate has to hold.
    nn.init.constant_(model.decode_head.conv_seg.bias, 50)
    model.decode_head.conv_seg.bias.data[:-1] = 0
    image = torch.randn(3, 40, 50)
    say(model.decode_head, absent=-1.0, present=1.0)
    assert predict(model, image)[1].min() > 0
    say(model.decode_head, absent=1.0, present=-1.0)
    logits, mask = predict(model, image)
    assert mask.max() == 0
    # MMSeg keeps the sigmoid of a single channel.
    probability = logits if num_classes == 2 else logits.softmax(0)[1:]
    assert torch.equal(probability, torch.zeros_like(probability))


def test_each_class_of_each_image_is_gated_for_itself():
    head = make_head(num_classes=3, cgm_loss_weight=1.0).eval()
    features = make_features(head)
    # The classes' logits of "absent" are the first and the second channel.
    nn.init.zeros_(head.cgm.conv.weight)
    nn.init.zeros_(head.cgm.conv.bias)
    head.cgm.conv.weight.data[0, 0] = head.cgm.conv.weight.data[2, 1] = 1
    features[2][:, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])[..., None, None]
    ungated = head.forward_levels(features)[0].softmax(1)
    found = head(features).softmax(1)
    for image, absent, present in [(0, 1, 2), (1, 2, 1)]:
        assert torch.equal(found[image, absent], torch.zeros(32, 64))
        rest = 1 - ungated[image, absent]
        for kept in (0, present):
            share = found[image, kept] * rest
            torch.testing.assert_close(share, ungated[image, kept])


def test_training_is_not_gated():
    with_cgm = make_head(cgm_loss_weight=1.0)
    without = make_head()
    without.load_state_dict(with_cgm.state_dict(), strict=False)
    say(with_cgm, absent=1.0, present=-1.0)
    features = make_features(without)
    samples = make_samples(torch.randint(0, 2, (2, 32, 64)))
    found = with_cgm.loss(features, samples, None)
    wanted = without.loss(features, samples, None)
    assert found.keys() - wanted.keys() == {'loss_cgm'}
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value)


def test_presence_is_learnt_and_empties_empty_images():
    head = make_head(cgm_loss_weight=1.0, deep_supervision=False)
    head.init_weights()
    labels = torch.zeros(8, 32, 32).long()
    labels[:4, 8:16, 8:24] = 1
    features = [
        feature[:1, :, :, : feature.shape[2]] for feature in make_features(head)
    ]
    features = [feature.repeat(8, 1, 1, 1) for feature in features]
    # What is to be seen in the deepest feature where the object is.
    features[2][:4, :, 2:4, 2:6] += 2
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(60):
        losses = head.loss(features, make_samples(labels), None)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    head.eval()  # without the noise of dropout
    losses = head.loss(features, make_samples(labels), None)
    assert losses['loss_cgm'] < 0.2
    probability = head(features).sigmoid()
    assert torch.equal(probability[4:], torch.zeros(4, 1, 32, 32))
    assert probability[:4].max() > 0.5
