"""The image encoder against segment-anything's, and what it refuses."""

import pytest
import torch
from mmseg.registry import MODELS

from mmseg_universeg.models import SAMImageEncoder

SMALL = dict(width=8, depth=2, heads=2, global_attention=(0,))


@pytest.mark.parametrize(
    ('arch', 'parameters'),
    # Of vit_b as in MedSAM's paper; the others from segment-anything's own builders.
    [('vit_b', 89_670_912), ('vit_l', 308_278_272), ('vit_h', 637_026_048)],
)
def test_sizes_of_the_published_encoders(arch, parameters):
    with torch.device('meta'):
        encoder = MODELS.build(dict(type='SAMImageEncoder', arch=arch))
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    (embedding,) = encoder.eval()(torch.empty(1, 3, 1024, 1024, device='meta'))
    assert embedding.shape == (1, 256, 64, 64)


def test_equals_segment_anything(make_sam, make_prompted):
    sam, encoder = make_sam(), make_prompted().backbone
    encoder.load_state_dict(sam.image_encoder.state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        (embeddings,) = encoder.eval()(images)
        wanted = sam.image_encoder(images)
    torch.testing.assert_close(embeddings, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='vit_s'), r"one of \['vit_b', 'vit_h', 'vit_l'\].*found 'vit_s'"),
        (dict(arch=dict(width=8, depth=2, heads=2)), r"'global_attention'.*found \{"),
        (dict(arch={**SMALL, 'heads': 3}), 'a width that its heads divide'),
        (dict(arch={**SMALL, 'depth': 0, 'global_attention': ()}), 'a depth from 1'),
        (dict(arch={**SMALL, 'global_attention': (0, 2)}), r'blocks \[2\], .* 0 to 1'),
        (dict(arch=SMALL, image_size=40), 'multiple of 16, found 40'),
        (dict(arch=SMALL, image_size=0), 'multiple of 16, found 0'),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SAMImageEncoder(**arguments)


@pytest.mark.parametrize('shape', [(3, 64, 48), (1, 64, 64), (3, 32, 32)])
def test_images_of_another_size_are_refused(make_prompted, shape):
    encoder = make_prompted().backbone
    with pytest.raises(ValueError, match=r'wanted \(3, 64, 64\)'):
        encoder(torch.rand(1, *shape))


def test_weights_of_another_size_are_refused(make_prompted):
    encoder = make_prompted().backbone
    weights = SAMImageEncoder(SMALL, 64, 32, 3).state_dict()
    with pytest.raises(ValueError, match='does not fit'):
        encoder.load_state_dict(weights)
