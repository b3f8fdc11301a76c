"""Segmenting ordinary images by a support set."""

import pytest
import torch
from mmseg.structures import SegDataSample

from mmseg_universeg.models import MeanSupportMask, UniverSeg

SMALL = dict(features=(4, 6))
CLASSES = 3


def support_set(size=5, height=8, width=12):
    images = torch.rand(size, 1, height, width)
    masks = torch.randint(0, CLASSES, (size, height, width))
    return images, masks


def make_draws(size=5):
    """Two draws of three supports for each class."""
    return torch.stack(
        [
            torch.stack([torch.randperm(size)[:3] for _ in range(CLASSES)])
            for _ in range(2)
        ]
    )


@pytest.mark.parametrize('chunk', [1, 4, None])
@pytest.mark.parametrize('limit', [0, 0.009, 1024])
def test_probabilities_are_those_of_binary_episodes(chunk, limit):
    model = UniverSeg(**SMALL, support_chunk=chunk, kept_maps_mb=limit)
    images, masks = support_set()
    subsets = make_draws()
    queries = torch.rand(2, 1, 8, 12)
    expected = torch.zeros(2, CLASSES, 8, 12)
    for draw in subsets:
        for label, chosen in enumerate(draw):
            logits = model.logits(
                queries,
                images[chosen].expand(2, -1, -1, -1, -1),
                (masks[chosen] == label).float().unsqueeze(1).expand(2, 3, 1, 8, 12),
            )
            expected[:, label] += logits.detach().sigmoid().squeeze(1) / 2
    model.set_support(images, masks, subsets)
    for _ in range(2):  # the second time from kept maps
        torch.testing.assert_close(
            model.class_probabilities(queries), expected, rtol=0, atol=1e-5
        )
    kept = len(model.kept_maps.maps)
    assert kept == (0 if limit == 0 else 2 if limit == 0.009 else 6)


def test_predict_gives_label_maps_at_the_original_size():
    model = UniverSeg(**SMALL, num_classes=CLASSES)
    model.set_support(*support_set())
    samples = [SegDataSample(metainfo=dict(ori_shape=(20, 30)))]
    (result,) = model.test_step(
        dict(inputs=[torch.rand(1, 8, 12)], data_samples=samples)
    )
    assert result.pred_sem_seg.data.shape == (1, 20, 30)
    assert result.seg_logits.data.shape == (CLASSES, 20, 30)
    assert not result.seg_logits.data.requires_grad


def test_seg_logits_are_the_sharpened_probabilities():
    model = MeanSupportMask(temperature=7.0)
    images, masks = support_set()
    model.set_support(images, masks)
    seg_logits = model(torch.rand(1, 1, 8, 12))
    for label in range(CLASSES):
        expected = 7 * (masks == label).float().mean(0)
        torch.testing.assert_close(seg_logits[0, label], expected)


def test_background_can_be_the_rest_of_the_other_classes():
    images, masks = support_set()
    queries = torch.rand(2, 1, 8, 12)
    model = UniverSeg(**SMALL)
    model.set_support(images, masks, make_draws())
    alone = model.class_probabilities(queries)
    model.background = 'rest'
    found = model.class_probabilities(queries)
    assert torch.equal(found[:, 1:], alone[:, 1:])
    torch.testing.assert_close(
        found[:, 0], 1 - torch.maximum(alone[:, 1], alone[:, 2]), rtol=0, atol=1e-6
    )
    # So that a class needs more than one half.
    wanted = alone[:, 1:].argmax(1) + 1
    wanted[(alone[:, 1:] <= 0.5).all(1)] = 0
    assert torch.equal(found.argmax(1), wanted)


def test_background_predicts_nothing_for_class_0():
    asked = []

    class Spy(MeanSupportMask):
        def draw_probability(self, images, draw):
            asked.append(draw.index)
            return super().draw_probability(images, draw)

    model = Spy(background='rest')
    model.set_support(*support_set(), make_draws())
    model.class_probabilities(torch.rand(1, 1, 8, 12))
    assert sorted(asked) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_background_is_one_of_two_ways():
    with pytest.raises(ValueError, match="'in_context' or 'rest', got 'none'"):
        MeanSupportMask(background='none')
    model = MeanSupportMask(background='rest')
    images, masks = support_set()
    model.set_support(images, torch.zeros_like(masks))
    with pytest.raises(ValueError, match='needs another class'):
        model.class_probabilities(images)


def test_mean_support_mask_predicts_episodes_from_masks_alone():
    masks = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    episode = dict(
        img=torch.rand(1, 1, 1, 2),
        support_imgs=torch.rand(1, 3, 1, 1, 2),
        support_masks=masks.reshape(1, 3, 1, 1, 2),
    )
    model = MeanSupportMask()
    probability = model.episode_probability(episode)
    assert probability.flatten().tolist() == pytest.approx([2 / 3, 2 / 3])
    (result,) = model(episode, mode='predict')
    assert result.pred_sem_seg.data.flatten().tolist() == [1, 1]
    with pytest.raises(RuntimeError, match='nothing to train'):
        model(episode, mode='loss')


def test_testing_without_a_support_set_says_how_to_give_one():
    model = UniverSeg(**SMALL)
    with pytest.raises(RuntimeError, match=r'SupportSetHook.*set_support'):
        model(torch.rand(1, 1, 8, 8), mode='predict')
    model.set_support(*support_set())
    model.clear_support()
    with pytest.raises(RuntimeError, match='has no support set'):
        model(torch.rand(1, 1, 8, 12), mode='predict')


def test_images_of_another_size_than_the_support_set():
    model = UniverSeg(**SMALL)
    model.set_support(*support_set())
    with pytest.raises(ValueError, match=r'\(1, 8, 8\), the support set is \(1, 8, 12'):
        model(torch.rand(1, 1, 8, 8), mode='predict')


@pytest.mark.parametrize(
    'change, error, message',
    [
        (lambda i, m: (i[:, 0], m), ValueError, r'images must be \(N, 1, H, W\)'),
        (lambda i, m: (i[:0], m[:0]), ValueError, 'N at least 1'),
        (lambda i, m: (i, m[:, :4]), ValueError, r'masks must be \(5, 8, 12\)'),
        (lambda i, m: (i * 255, m), ValueError, r'must be in \[0, 1\], got'),
        (lambda i, m: (i * float('nan'), m), ValueError, r'got \[nan, nan\]'),
        (lambda i, m: (i.byte(), m), TypeError, 'got torch.uint8'),
        (lambda i, m: (i, m.float()), TypeError, 'integer labels, got torch.float32'),
        (lambda i, m: (i, m * 0 + 1), ValueError, 'class 0 is in none of the 5'),
        (lambda i, m: (i, m * 2), ValueError, 'class 1 is in none of the 5'),
        (
            lambda i, m: (i, m, torch.full((1, 3, 2), 5)),
            ValueError,
            'indices of the 5 support images, got 5 to 5',
        ),
        (lambda i, m: (i, m, torch.arange(3)), ValueError, 'subsets must be'),
        (lambda i, m: (i, m, None, 2), ValueError, 'hold label 2, but there are 2'),
        (
            lambda i, m: (i, m, torch.zeros(1, 3, 2).long(), 4),
            ValueError,
            '3 classes, wanted 4',
        ),
    ],
)
def test_bad_support_sets(change, error, message):
    with pytest.raises(error, match=message):
        MeanSupportMask().set_support(*change(*support_set()))


def test_number_of_classes_is_the_models_own():
    model = MeanSupportMask(num_classes=4)
    with pytest.raises(ValueError, match='class 3 is in none of the 5'):
        model.set_support(*support_set())


def test_ignored_pixels_belong_to_no_class():
    images, masks = support_set()
    masks[0, 0, 0] = 255
    model = MeanSupportMask()
    model.set_support(images, masks)
    probabilities = model.class_probabilities(images[:1])
    assert probabilities.shape[1] == CLASSES
    assert probabilities[0, :, 0, 0].sum().item() == pytest.approx(0.8)


@pytest.mark.parametrize('how', ['train', 'load', 'data', 'support'])
def test_kept_maps_follow_the_weights_and_the_support_set(how):
    model = UniverSeg(**SMALL)
    images, masks = support_set()
    queries = torch.rand(1, 1, 8, 12)
    model.set_support(images, masks)
    before = model.class_probabilities(queries)
    weight = model.enc_blocks[0].support.conv.weight
    if how == 'train':
        weight.grad = torch.ones_like(weight)
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    elif how == 'load':
        model.load_state_dict(UniverSeg(**SMALL).state_dict())
    elif how == 'data':  # as averaged weights are swapped in
        weight.data.copy_(torch.randn_like(weight))
    else:
        model.set_support(images.flip(0), masks)
    after = model.class_probabilities(queries)
    fresh = UniverSeg(**SMALL)
    fresh.load_state_dict(model.state_dict())
    fresh.set_support(model.support_memory.images, model.support_memory.masks)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, fresh.class_probabilities(queries))


def test_kept_maps_of_another_precision_are_not_used():
    model = UniverSeg(**SMALL)
    model.set_support(*support_set())
    queries = torch.rand(1, 1, 8, 12)
    exact = model.class_probabilities(queries)
    with torch.autocast('cpu', torch.bfloat16):
        half = model.class_probabilities(queries)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact, rtol=0, atol=0.05)
    assert torch.equal(model.class_probabilities(queries), exact)


def test_support_set_travels_in_no_checkpoint_unless_asked():
    images, masks = support_set()
    model, keeper = UniverSeg(**SMALL), UniverSeg(**SMALL, save_support=True)
    names = set(model.state_dict())
    for one in (model, keeper):
        one.set_support(images, masks)
    assert set(model.state_dict()) == names
    extra = {'support_memory.images', 'support_memory.masks', 'support_memory.subsets'}
    assert set(keeper.state_dict()) == names | extra
    queries = torch.rand(1, 1, 8, 12)
    expected = keeper.class_probabilities(queries)
    for save_support in (True, False):  # what a checkpoint holds is loaded
        other = UniverSeg(**SMALL, save_support=save_support)
        other.set_support(*support_set(size=4, height=4, width=4))
        other.load_state_dict(keeper.state_dict())
        torch.testing.assert_close(other.class_probabilities(queries), expected)
    keeper.load_state_dict(model.state_dict(), strict=False)
    assert len(keeper.support_memory) == 5
