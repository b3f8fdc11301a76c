"""Stacking of episodes and of ordinary images."""

import pytest
import torch

from mmseg_universeg.models import EpisodeDataPreprocessor


def episode_lists(sizes, supports=(2, 2)):
    return dict(
        img=[torch.rand(1, *size) for size in sizes],
        support_imgs=[torch.rand(n, 1, *s) for n, s in zip(supports, sizes)],
        support_masks=[torch.rand(n, 1, *s).round() for n, s in zip(supports, sizes)],
    )


def test_stacks_episodes():
    inputs = episode_lists([(4, 6), (4, 6)])
    out = EpisodeDataPreprocessor()(dict(inputs=inputs, data_samples=['a', 'b']))
    shapes = {key: tuple(value.shape) for key, value in out['inputs'].items()}
    assert shapes == dict(
        img=(2, 1, 4, 6),
        support_imgs=(2, 2, 1, 4, 6),
        support_masks=(2, 2, 1, 4, 6),
    )
    assert torch.equal(out['inputs']['img'][1], inputs['img'][1])
    assert out['data_samples'] == ['a', 'b']


def test_stacks_ordinary_images_and_takes_stacked_ones():
    images = [torch.rand(1, 4, 6) for _ in range(3)]
    stacked = EpisodeDataPreprocessor()(dict(inputs=images))['inputs']
    assert torch.equal(stacked, torch.stack(images))
    assert torch.equal(
        EpisodeDataPreprocessor()(dict(inputs=stacked))['inputs'], stacked
    )


@pytest.mark.parametrize(
    'sizes, supports, message',
    [
        ([(4, 6), (4, 8)], (2, 2), r'img of one batch differ.*Resize'),
        ([(4, 6), (4, 6)], (2, 3), r'support_imgs of one batch.*batch_size'),
    ],
)
def test_different_shapes_are_an_error_that_says_how_to_mend_it(
    sizes, supports, message
):
    with pytest.raises(ValueError, match=message):
        EpisodeDataPreprocessor()(dict(inputs=episode_lists(sizes, supports)))


def test_colour_and_integers_are_not_cast_silently():
    with pytest.raises(ValueError, match=r'got \(3, 4, 6\).*ToGrayscale'):
        EpisodeDataPreprocessor()(dict(inputs=[torch.rand(3, 4, 6)]))
    with pytest.raises(TypeError, match=r'got torch.uint8.*MinMaxNormalize'):
        EpisodeDataPreprocessor()(dict(inputs=[torch.zeros(1, 4, 6).byte()]))
