"""The network against its plain restatement, its recorded outputs, and as trained."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_universeg.models import UniverSeg

ACTIVATIONS = dict(LeakyReLU=F.leaky_relu, ReLU=F.relu)
SMALL = dict(features=(4, 6))


def random_episodes(batch=1, size=3, height=16, width=24, dtype=torch.float32):
    shape = (batch, size, 1, height, width)
    images, supports = torch.rand(batch, 1, height, width), torch.rand(shape)
    masks = (torch.rand(shape) > 0.5).to(dtype)
    return images.to(dtype), supports.to(dtype), masks


def random_batch(batch=2, size=3, height=16, width=16):
    images, supports, masks = random_episodes(batch, size, height, width)
    samples = [
        SegDataSample(
            gt_sem_seg=PixelData(data=(image > 0.5).long()),
            metainfo=dict(ori_shape=(20, 30), img_shape=(height, width)),
        )
        for image in images
    ]
    inputs = dict(
        img=list(images), support_imgs=list(supports), support_masks=list(masks)
    )
    return dict(inputs=inputs, data_samples=samples)


def test_default_is_the_published_network():
    model = MODELS.build(dict(type='UniverSeg'))
    assert sum(p.numel() for p in model.parameters()) == 1_182_785
    names = list(model.state_dict())
    assert names[0] == 'enc_blocks.0.cross.cross_conv.weight'
    assert names[-1] == 'out_conv.conv.bias'
    biases = [p for name, p in model.named_parameters() if name.endswith('bias')]
    assert all(not bias.any() for bias in biases)


def test_published_outputs(parity_root):
    model = UniverSeg()
    weights = torch.load(parity_root / 'universeg_v1_random.pt', weights_only=True)
    model.load_state_dict(weights)
    assert set(weights) == set(model.state_dict())
    cases = np.load(parity_root / 'universeg_v1_cases.npz')
    for case in range(3):
        target, images, labels, logits = (
            torch.from_numpy(cases[f'case{case}_{name}']).float()
            for name in ('target', 'support_images', 'support_labels', 'logits')
        )
        with torch.no_grad():
            ours = model.logits(target, images, labels)
            torch.testing.assert_close(ours, logits, rtol=0, atol=1e-4)
            with torch.autocast('cpu', torch.bfloat16):
                ours = model.logits(target, images, labels)
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.float(), logits, rtol=0, atol=0.1)


@pytest.mark.parametrize(
    'features, nonlinearity, cross, out_conv, batch, size, chunk, shape',
    [
        ((3, 5), 'LeakyReLU', None, True, 1, 1, None, (4, 6)),
        ((5, 4, 3), 'ReLU', None, True, 2, 3, 1, (8, 12)),
        ((2, 3, 4, 5), 'LeakyReLU', None, False, 3, 5, 4, (16, 8)),
        ((6, 6, 6, 6), 'LeakyReLU', None, True, 1, 4, 3, (96, 160)),
        ((30, 5), 'LeakyReLU', None, True, 2, 4, 100, (6, 4)),
        ((4, 3), 'LeakyReLU', 'LeakyReLU', True, 2, 3, 2, (6, 4)),
        ((3, 4, 2), 'ReLU', 'ReLU', False, 1, 5, 2, (8, 12)),
    ],
)
def test_equals_the_plain_restatement_with_gradients(
    plain_universeg,
    features,
    nonlinearity,
    cross,
    out_conv,
    batch,
    size,
    chunk,
    shape,
):
    model = UniverSeg(
        features, nonlinearity, cross, out_conv, support_chunk=chunk
    ).double()
    weights = dict(model.named_parameters())
    for name, parameter in weights.items():
        if name.endswith('bias'):
            torch.nn.init.normal_(parameter)
    episodes = random_episodes(batch, size, *shape, dtype=torch.float64)
    ours = model.logits(*episodes)
    plain = plain_universeg(
        weights,
        *episodes,
        ACTIVATIONS[nonlinearity],
        cross and ACTIVATIONS[cross],
    )
    torch.testing.assert_close(ours, plain)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(*episodes), plain)
    leaves = [weight for weight in weights.values() if weight.requires_grad]
    seed = torch.randn_like(plain)
    ours = torch.autograd.grad(ours, leaves, seed)
    plain = torch.autograd.grad(plain, leaves, seed)
    for one, other in zip(ours, plain):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('cross', [None, 'ReLU'])
def test_order_of_supports_does_not_matter(cross):
    model = UniverSeg(**SMALL, cross_nonlinearity=cross, support_chunk=2).double()
    images, supports, masks = random_episodes(2, 5, dtype=torch.float64)
    order = torch.randperm(5)
    torch.testing.assert_close(
        model.logits(images, supports, masks),
        model.logits(images, supports[:, order], masks[:, order]),
    )


@pytest.mark.parametrize('channels_last', [True, False])
def test_convolutions_see_channels_last_memory(channels_last):
    model = UniverSeg(**SMALL, support_chunk=4)
    seen = {}

    def note(name):
        def hook(module, inputs):
            layout = inputs[0].is_contiguous(memory_format=torch.channels_last)
            seen[name] = layout

        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(note(name))
    episodes = random_episodes(2)
    if channels_last:
        model.to(memory_format=torch.channels_last)
        images = episodes[0].to(memory_format=torch.channels_last)
        episodes = images, *episodes[1:]
    model.logits(*episodes)
    assert seen
    assert all(seen.values()), seen


def test_memory_does_not_grow_with_maps_nobody_reads():
    # Of the first level's support maps nothing is kept for backward: S maps of
    # 32 channels at full size would be over half a million values each.
    model = UniverSeg((32, 2), support_chunk=1)
    saved = []

    def pack(tensor):
        if tensor.dim() == 4 and tensor.shape[1:] == (32, 32, 32):
            saved.append(len(tensor))
        return tensor

    def count(size):
        saved.clear()
        episodes = random_episodes(1, size, 32, 32)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model.logits(*episodes)
        return sum(saved)

    assert count(8) == count(2)


@pytest.mark.parametrize(
    'shape, found', [((10, 8), '10x8'), ((8, 12), '8x12'), ((9, 9), '9x9')]
)
def test_sizes_that_do_not_divide_are_an_error(shape, found):
    model = UniverSeg((2, 2, 2, 2))
    with pytest.raises(ValueError, match=f'divisible by 8 .*got {found}'):
        model.logits(*random_episodes(1, 2, *shape))


def test_bad_episodes_are_an_error():
    model = UniverSeg(**SMALL)
    images, supports, masks = random_episodes(1, 2)
    with pytest.raises(ValueError, match='at least one support, got 0'):
        model.logits(images, supports[:, :0], masks[:, :0])
    with pytest.raises(ValueError, match=r'supports are \(16, 20\), the query'):
        model.logits(images, supports[..., :20], masks[..., :20])
    with pytest.raises(ValueError, match=r'must both be \(B, S, 1, H, W\)'):
        model.logits(images, supports, masks[:, :1])


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(features=(8,)), 'at least two positive widths'),
        (dict(features=(8, 0)), 'at least two positive widths'),
        (dict(support_chunk=0), 'support_chunk must be at least 1'),
        (dict(temperature=0), 'temperature must be positive'),
        (dict(nonlinearity='Swish'), "'Swish' is not known"),
        (dict(loss_decode=dict(type='DiceLoss')), 'use SoftDiceLoss'),
        (dict(loss_decode=[dict(type='SoftDiceLoss')] * 2), 'different names'),
    ],
)
def test_bad_options_are_an_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        UniverSeg(**kwargs)


def test_losses_by_hand():
    model = UniverSeg(**SMALL)
    with torch.no_grad():  # logits 1 everywhere
        model.out_conv.conv.weight.zero_()
        model.out_conv.conv.bias.fill_(1)
    data = model.data_preprocessor(random_batch())
    losses = model(**data, mode='loss')
    assert set(losses) == {'loss_dice', 'loss_ce', 'dice'}
    labels = torch.stack([s.gt_sem_seg.data for s in data['data_samples']]).double()
    p = 1 / (1 + np.exp(-1))
    ce = -(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean()
    assert losses['loss_ce'].item() == pytest.approx(ce.item(), rel=1e-5)
    found = labels.sum((1, 2, 3))
    soft = (2 * p * found + 1) / (p * 256 + found + 1)
    assert losses['loss_dice'].item() == pytest.approx((1 - soft).mean().item())
    hard = 2 * found / (256 + found)
    assert losses['dice'].item() == pytest.approx(hard.mean().item())
    assert not losses['dice'].requires_grad


def test_learns():
    model = UniverSeg((8, 8))
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=5e-3))
    logs = [model.train_step(random_batch(), optimizer) for _ in range(30)]
    assert logs[-1]['loss'] < 0.7 * logs[0]['loss']
    assert logs[-1]['dice'] > 0.6


def test_trains_only_on_episodes():
    with pytest.raises(TypeError, match='InContextDataset'):
        UniverSeg(**SMALL).loss(torch.rand(1, 1, 8, 8), [])


def test_forward_modes():
    model = UniverSeg(**SMALL)
    data = model.data_preprocessor(random_batch())
    logits = model(**data, mode='tensor')
    assert logits.shape == (2, 1, 16, 16)
    feats = model.extract_feat(data['inputs'])
    assert [tuple(f.shape) for f in feats] == [(2, 4, 16, 16), (2, 6, 8, 8)]
    results = model(data['inputs'], mode='predict')
    seg_logits = torch.stack([r.seg_logits.data for r in results])
    foreground = logits.sigmoid()
    expected = 10 * torch.cat([1 - foreground, foreground], 1)
    torch.testing.assert_close(seg_logits, expected)
    labels = torch.stack([r.pred_sem_seg.data for r in results])
    assert torch.equal(labels, (logits > 0).long())


def test_compiles_to_the_same_state_after_a_copy():
    model = UniverSeg(**SMALL)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.out_conv.conv.bias.fill_(3)
    model.load_state_dict(twin.state_dict())
    assert model.out_conv.conv.bias.item() == 3
    twin.load_state_dict(UniverSeg(**SMALL).state_dict())
    assert twin.out_conv.conv.bias.item() == 0
    assert model.out_conv.conv.bias.item() == 3
