"""Points on objects and on errors, and the segmentor that is asked with them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from mmseg_universeg.models.segmentors.prompt_points import (
    add_points,
    correcting_pixel,
    deepest_pixel,
    first_points,
)

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def filled(height, width, top, bottom, left, right):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_deepest_pixel_of_a_rectangle():
    assert deepest_pixel(filled(20, 30, 2, 9, 10, 21)) == (13, 5)
    # The rim of the image is a border of the object too.
    assert deepest_pixel(np.ones((5, 7), bool)) == (2, 2)
    assert deepest_pixel(filled(4, 4, 3, 4, 0, 1)) == (0, 3)


@settings(max_examples=50, deadline=None)
@given(MASKS)
def test_deepest_pixel_is_as_deep_as_any(mask):
    if mask.any():
        x, y = deepest_pixel(mask)
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        assert depth[y, x] == pytest.approx(depth.max(), rel=1e-5)


def test_correcting_pixel():
    mask = filled(20, 20, 0, 10, 0, 10)
    # A column too little, two columns too much; then the other way about.
    assert correcting_pixel(mask, filled(20, 20, 0, 10, 1, 10))[1] == 1
    (x, y), label = correcting_pixel(mask, filled(20, 20, 0, 15, 0, 10))
    assert (y, label) == (12, 0)
    assert 2 <= x <= 7
    both = filled(20, 20, 3, 10, 0, 10) | filled(20, 20, 0, 1, 15, 16)
    assert correcting_pixel(mask, both)[1] == 1
    assert correcting_pixel(mask, mask) == ((0, 0), -1)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_correcting_pixel_is_wrong(data):
    mask = data.draw(MASKS)
    predicted = data.draw(arrays(bool, mask.shape))
    rng = data.draw(st.sampled_from([None, np.random.default_rng(0)]))
    (x, y), label = correcting_pixel(mask, predicted, rng)
    if label == -1:
        assert (mask == predicted).all()
    else:
        assert mask[y, x] != predicted[y, x]
        assert mask[y, x] == bool(label)


def test_drawn_correcting_pixels_are_everywhere_in_the_error():
    mask, predicted = filled(6, 6, 0, 3, 0, 3), filled(6, 6, 2, 4, 2, 4)
    rng = np.random.default_rng(0)
    found = {correcting_pixel(mask, predicted, rng)[0] for _ in range(300)}
    assert found == {(x, y) for y, x in np.argwhere(mask != predicted)}


def test_points_lie_where_their_pixels_do():
    masks = torch.zeros(2, 8, 16)
    masks[0, 2:5, 3:6] = masks[1, 7, 15] = 1
    coords, labels = first_points(masks, 32)
    # Pixel (4, 3) of 16x8 covers x 8 to 10 and y 12 to 16 of 32x32; (15, 7) 30 to 32
    # and 28 to 32. Half a pixel less than the centre, which the prompt encoder adds.
    assert coords.tolist() == [[[8.5, 13.5]], [[30.5, 29.5]]]
    assert labels.tolist() == [[1], [1]]
    predicted = torch.zeros(2, 8, 16, dtype=torch.bool)
    predicted[1, 7, 15] = True
    coords, labels = add_points((coords, labels), masks, predicted, 32)
    assert coords.shape == (2, 2, 2)
    assert labels.tolist() == [[1, 1], [1, -1]]
    empty = first_points(masks[:0], 32)
    assert empty[0].shape == (0, 1, 2)
    assert add_points(empty, masks[:0], predicted[:0], 32)[1].shape == (0, 2)


def test_random_points_are_on_their_objects():
    masks = torch.rand(50, 9, 7) > 0.8
    masks[:, 4, 4] = True
    coords, _ = first_points(masks, 63, np.random.default_rng(0))
    columns = ((coords[:, 0, 0] + 0.5) * 7 / 63).long()
    rows = ((coords[:, 0, 1] + 0.5) * 9 / 63).long()
    assert masks[torch.arange(50), rows, columns].all()
    assert len(set(zip(rows.tolist(), columns.tolist()))) > 10


@pytest.fixture
def model(make_sam, make_prompted):
    model = make_prompted(prompt='point')
    model.load_state_dict(make_sam().state_dict())
    return model.eval()


@pytest.fixture
def asked(model):
    """The points that the head was given, one after the other."""
    asked = []
    model.decode_head.register_forward_pre_hook(
        lambda module, inputs, prompts: asked.append(prompts['points']),
        with_kwargs=True,
    )
    return asked


def test_one_point_is_the_deepest_in_testing(model, make_prompted_sample):
    sample = make_prompted_sample([[8, 8, 24, 40], [40, 40, 64, 64]], (50, 60))
    image = torch.rand(1, 3, 64, 64)
    (result,) = model(image, [sample], mode='predict')
    points = (torch.tensor([[[15.0, 15]], [[51, 51]]]), torch.ones(2, 1))
    with torch.no_grad():
        (embedding,) = model.extract_feat(image)[0]
        logits, ious = model.decode_head(embedding, points=points)
    wanted = model.probabilities(logits, (50, 60)) > 0.5
    assert torch.equal(result.pred_instances.masks, wanted)
    torch.testing.assert_close(result.pred_instances.scores, ious)


def assert_from_the_error(asked, model, image, sample):
    """Each set of points is the one before and a pixel of what that got wrong."""
    truth = sample.gt_instances.masks.bool()
    with torch.no_grad():
        (embedding,) = model.extract_feat(image)[0]
    for points, (coords, labels) in pairwise(list(asked)):
        with torch.no_grad():
            logits, _ = model.decode_head(embedding, points=points)
        predicted = model.probabilities(logits, (64, 64)) > 0.5
        assert torch.equal(coords[:, :-1], points[0])
        for number, (x, y) in enumerate(coords[:, -1].int().tolist()):
            assert truth[number, y, x] != predicted[number, y, x]
            assert truth[number, y, x] == labels[number, -1]


def test_further_points_come_from_the_error(model, asked, make_prompted_sample):
    model.points = 3
    sample = make_prompted_sample([[8, 8, 24, 40], [40, 40, 60, 60]])
    image = torch.rand(1, 3, 64, 64)
    model(image, [sample], mode='predict')
    assert [len(labels[0]) for _, labels in asked] == [1, 2, 3]
    assert_from_the_error(asked, model, image, sample)


def test_trains_with_random_points(model, asked, make_prompted_sample):
    model.train()
    sample = make_prompted_sample([[8, 8, 24, 40]])
    image = torch.rand(1, 3, 64, 64)
    for _ in range(2):
        (loss,) = model.loss(image, [sample]).values()
        loss.backward()
    coords = [points for points, _ in asked]
    assert not torch.equal(*coords)
    for points in coords:
        assert 8 <= points[0, 0, 0] < 24
        assert 8 <= points[0, 0, 1] < 40


def test_trains_with_points_from_the_error(model, asked, make_prompted_sample):
    model.points = 3
    model.train()
    sample = make_prompted_sample([[8, 8, 24, 40], [40, 40, 60, 60]])
    image = torch.rand(1, 3, 64, 64)
    torch.manual_seed(0)
    numbers = []
    for _ in range(8):
        asked.clear()
        model.loss(image, [sample])
        numbers.append(len(asked))
        assert_from_the_error(asked, model, image, sample)
    assert set(numbers) == {1, 2, 3}
