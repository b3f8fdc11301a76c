"""Every decoder takes every backbone, and an image of every size and dtype."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmseg.registry import MODELS

import mmseg_universeg

BN = dict(type='BN')
# Backbone, its channels and its strides.
BACKBONES = {
    'unet': (
        dict(type='UNetEncoder', widths=(4, 6, 8, 10), norm_cfg=BN, residual=True),
        dict(in_channels=(4, 6, 8, 10)),
    ),
    'resnet34': (
        dict(type='ResNet', depth=34),
        dict(in_channels=(64, 128, 256, 512), strides=(4, 8, 16, 32)),
    ),
    'mobilenet-v2': (
        dict(type='MobileNetV2', out_indices=(0, 1, 2, 3, 4, 6)),
        dict(in_channels=(16, 24, 32, 64, 96, 320), strides=(2, 4, 8, 16, 16, 32)),
    ),
    'efficientnet-b0': (
        dict(type='TIMMBackbone', model_name='efficientnet_b0', pretrained=False),
        dict(in_channels=(16, 24, 40, 112, 320), strides=(2, 4, 8, 16, 32)),
    ),
}
# The same of few channels, where there are such.
SLIM_BACKBONES = BACKBONES | {
    'resnet34': (
        dict(type='ResNet', depth=34, base_channels=4, stem_channels=4),
        dict(in_channels=(4, 8, 16, 32), strides=(4, 8, 16, 32)),
    ),
    'mobilenet-v2': (
        dict(type='MobileNetV2', widen_factor=0.25, out_indices=(0, 1, 2, 3, 4, 6)),
        dict(in_channels=(8, 8, 8, 16, 24, 80), strides=(2, 4, 8, 16, 16, 32)),
    ),
}
BCE = dict(type='CrossEntropyLoss', use_sigmoid=True)
ODD = st.integers(0, 9).map(lambda half: 2 * half + 1)
# Largest error of what is computed in a dtype, as a share of the largest output (or of
# 1, if that is smaller). A value of bfloat16 has 8 bits.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.05}


def make_head(name, features):
    """A decoder of few channels for the features of a backbone."""
    widths = (4,) * (len(features['in_channels']) - 1)
    return {
        'unet': dict(type='UNetHead', widths=widths, **features),
        'unetpp': dict(type='UNetPlusPlusHead', widths=widths, **features),
        'unetpp_pruned': dict(
            type='UNetPlusPlusHead', widths=widths, prune=1, **features
        ),
        'unet3plus': dict(type='UNet3PlusHead', branch_channels=2, **features),
    }[name]


@pytest.mark.parametrize('head', ['unet', 'unetpp', 'unetpp_pruned', 'unet3plus'])
@pytest.mark.parametrize('backbone', BACKBONES)
def test_logits_losses_and_gradients(make_segmentor, make_samples, backbone, head):
    backbone, features = BACKBONES[backbone]
    model = make_segmentor(
        backbone,
        dict(
            **make_head(head, features),
            num_classes=4,
            norm_cfg=BN,
            act_cfg=dict(type='LeakyReLU'),  # no dead units at so few channels
        ),
    )
    images = torch.randn(2, 3, 64, 32)
    logits = model(images)
    assert logits.shape == (2, 4, 64, 32)
    assert logits.isfinite().all()
    assert logits.std() > 0
    # Up to the two images' own values, one image alone gives the same.
    torch.testing.assert_close(model(images[1:]), logits[1:], rtol=1e-3, atol=1e-4)
    losses = model.loss(images, make_samples(torch.randint(0, 4, (2, 64, 32))))
    assert all(name.startswith('decode.') for name in losses)
    sum(losses.values()).backward()
    unreached = [n for n, p in model.decode_head.named_parameters() if p.grad is None]
    assert unreached == []
    first = next(iter(model.backbone.parameters()))
    assert first.grad.abs().max() > 0


@pytest.fixture(scope='module', params=['unet', 'unetpp', 'unet3plus'])
def small(request, make_segmentor):
    """A small network that pads."""
    return make_segmentor(
        dict(type='UNetEncoder', in_channels=1, widths=(2, 3, 4), norm_cfg=BN),
        dict(
            **make_head(request.param, dict(in_channels=(2, 3, 4))),
            num_classes=2,
            out_channels=1,
            loss_decode=BCE,
        ),
        divisor=4,
    )


def predict(model, make_samples, image):
    """Probability and mask (H, W) through MMSeg's preprocessor and segmentor."""
    samples = make_samples(torch.zeros(1, *image.shape[1:]))
    with torch.no_grad():
        (result,) = model.test_step(dict(inputs=[image], data_samples=samples))
    return result.seg_logits.data[0], result.pred_sem_seg.data[0]


@settings(max_examples=50, deadline=None)
@example(height=1, width=1)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_every_size_is_padded_and_cropped_back(small, make_samples, height, width):
    image = torch.randn(1, height, width)
    found, mask = predict(small, make_samples, image)
    # The probability at a pixel is that of the padded image at that pixel.
    padded = F.pad(image, (0, -width % 4, 0, -height % 4))
    with torch.no_grad():
        plain = small(padded[None]).sigmoid()[0, 0, :height, :width]
    assert found.shape == mask.shape == (height, width)
    torch.testing.assert_close(found, plain)
    assert torch.equal(mask, (found > 0.5).float())


@pytest.mark.parametrize('head', ['unet', 'unetpp', 'unetpp_pruned', 'unet3plus'])
@pytest.mark.parametrize('backbone', SLIM_BACKBONES)
def test_every_pair_is_padded_and_cropped_back(
    make_segmentor, make_samples, backbone, head
):
    backbone, features = SLIM_BACKBONES[backbone]
    model = make_segmentor(
        backbone,
        dict(
            **make_head(head, features),
            num_classes=2,
            out_channels=1,
            norm_cfg=BN,
            act_cfg=dict(type='LeakyReLU'),  # no dead units at so few channels
        ),
        divisor=32,
    )
    for height, width in [(1, 1), (33, 50)]:
        image = torch.randn(3, height, width)
        found, mask = predict(model, make_samples, image)
        padded = F.pad(image, (0, -width % 32, 0, -height % 32))
        with torch.no_grad():
            plain = model(padded[None]).sigmoid()[0, 0]
        assert found.shape == mask.shape == (height, width)
        torch.testing.assert_close(found, plain[:height, :width])
        assert not torch.allclose(found, plain[-height:, -width:])


@pytest.mark.parametrize('dtype', TOLERANCES, ids=str)
@pytest.mark.parametrize('head', ['unet', 'unetpp', 'unet3plus'])
@settings(max_examples=10, deadline=None)
@example(size=(1, 1), channels=1, out_channels=1)
@given(
    size=st.tuples(ODD, ODD), channels=st.integers(1, 5), out_channels=st.integers(1, 4)
)
def test_every_dtype_gives_what_float64_gives(
    make_segmentor, make_samples, dtype, head, size, channels, out_channels
):
    torch.manual_seed(0)  # an example that fails is tried again
    model = make_segmentor(
        dict(type='UNetEncoder', in_channels=channels, widths=(2, 3, 4), norm_cfg=BN),
        dict(
            **make_head(head, dict(in_channels=(2, 3, 4))),
            num_classes=max(2, out_channels),
            out_channels=out_channels,
            norm_cfg=BN,
        ),
        divisor=4,
    )
    image = torch.randn(channels, *size)
    samples = make_samples(torch.zeros(1, *size))
    data = model.data_preprocessor(dict(inputs=[image], data_samples=samples))
    kept = torch.float64 if dtype == torch.float64 else torch.float32
    autocast = torch.autocast('cpu', torch.bfloat16, enabled=dtype == torch.bfloat16)
    with torch.no_grad(), autocast:
        data['inputs'] = data['inputs'].to(kept)
        (result,) = model.to(kept).predict(**data)
    with torch.no_grad():
        padded = F.pad(image, (0, -size[1] % 4, 0, -size[0] % 4)).double()
        wanted = model.double()(padded[None])[0, :, : size[0], : size[1]]
    if out_channels == 1:  # MMSeg gives the probability of a single channel
        wanted = wanted.sigmoid()
    found = result.seg_logits.data
    assert found.shape == (out_channels, *size)
    assert result.pred_sem_seg.data.shape == (1, *size)
    assert found.isfinite().all()
    largest = wanted.abs().max().clamp(min=1)
    assert (found - wanted).abs().max() <= TOLERANCES[dtype] * largest


@settings(max_examples=20, deadline=None)
@example(height=1, width=1)
@given(height=st.integers(1, 20), width=st.integers(1, 20))
def test_training_takes_every_size(small, make_samples, height, width):
    images = [torch.randn(1, height, width), torch.randn(1, 8, 4)]
    labels = [torch.randint(0, 2, image.shape[1:]) for image in images]
    samples = make_samples(labels, [torch.ones(label.shape) for label in labels])
    data = small.data_preprocessor(
        dict(inputs=images, data_samples=samples), training=True
    )
    small.train()
    losses = small.loss(**data)
    small.eval()
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    # Padded pixels count in MMSeg's mean, but cost nothing.
    counted = sum((s.gt_sem_seg.data != 255).sum() for s in data['data_samples'])
    assert counted == sum(label.numel() for label in labels)


@pytest.mark.parametrize('name', BACKBONES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_sizes_that_do_not_divide_are_refused_without_padding(
    networks, make_samples, name, data
):
    model, divisor = networks(name)
    height, width = (
        data.draw(st.integers(2 * divisor - 8, 2 * divisor)) for _ in range(2)
    )
    image = torch.randn(3, height, width)
    if height % divisor or width % divisor:
        message = rf'SegDataPreProcessor\(size_divisor={divisor}, test_cfg=dict\(siz'
        with pytest.raises(ValueError, match=message):
            predict(model, make_samples, image)
        with pytest.raises(ValueError, match=message):
            samples = make_samples(torch.zeros(1, height, width))
            model.loss(image[None], samples)
    else:
        assert predict(model, make_samples, image)[1].shape == (height, width)


@pytest.fixture(scope='module')
def networks(make_segmentor):
    """Networks by name that do not pad, with their divisor."""
    made = {}

    def get(name):
        if name not in made:
            backbone, features = BACKBONES[name]
            head = dict(num_classes=2, out_channels=1, loss_decode=BCE)
            model = make_segmentor(
                backbone, dict(**make_head('unet', features), **head)
            )
            made[name] = model, 8 if name == 'unet' else 32
        return made[name]

    return get


@pytest.mark.parametrize('name', ['unet', 'unetpp', 'unet3plus'])
def test_model_configs(name, make_samples):
    cfg = Config.fromfile(mmseg_universeg.config_path(f'_base_/models/{name}.py'))
    model = MODELS.build(cfg.model)
    model.init_weights()
    image = torch.randn(3, 17, 30)
    # A batch in which no pixel counts costs nothing.
    samples = make_samples(torch.full((1, 17, 30), 255))
    data = dict(inputs=[image], data_samples=samples)
    losses = model.loss(**model.data_preprocessor(data, training=True))
    assert all(loss == 0 for loss in losses.values())
    sum(losses.values()).backward()
    gradients = [p.grad for p in model.parameters()]
    assert not any(gradient.any() for gradient in gradients)
    model.eval()
    probability, mask = predict(model, make_samples, image)
    assert probability.shape == mask.shape == (17, 30)
    assert 0 < probability.min() < probability.max() < 1
