"""Masks of everything, and how they are shared out among the objects."""

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator

from mmseg_universeg.models.segmentors.everything import (
    StretchToSquare,
    segment_everything,
    share_out,
)

ALL = dict(
    points_per_side=4,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    box_nms_thresh=0.9,
)


def square(left, right):
    mask = np.zeros((8, 40), bool)
    mask[:, left:right] = True
    return mask


def test_each_mask_goes_to_the_object_it_overlaps_best():
    objects = np.stack([square(0, 10), square(10, 20), square(30, 32)])
    masks = np.stack(
        [
            square(0, 16),  # IoU 10/16 with the first, 6/20 with the second
            square(0, 9),  # 9/10 with the first
            square(2, 7),  # 5/10 with the first
            square(10, 40),  # 10/30 with the second, 18/30 with the background
            square(12, 18),  # 6/10 with the second
        ]
    )
    assert share_out(masks, objects).tolist() == [1, 4, -1]
    assert share_out(masks[:0], objects).tolist() == [-1, -1, -1]
    assert share_out(masks, objects[:0]).tolist() == []
    # An object without pixels gets no mask.
    objects[0] = False
    assert share_out(masks, objects).tolist() == [-1, 4, -1]
    # A mask that touches nothing is nobody's.
    assert share_out(np.zeros((1, 8, 40), bool), objects).tolist() == [-1, -1, -1]


def test_coordinates_are_stretched():
    coords = StretchToSquare(64).apply_coords(np.array([[10.0, 8], [20, 16]]), (16, 20))
    assert coords.tolist() == [[32, 32], [64, 64]]


@pytest.fixture
def model(make_sam, make_prompted):
    model = make_prompted(prompt='everything', generator=ALL)
    model.load_state_dict(make_sam().state_dict())
    return model.eval()


@torch.no_grad()
def test_equals_segment_anythings_generator(make_sam, model):
    # On a square image of 8 bits, where segment-anything itself stretches nothing; it
    # is made to give the one mask of MedSAM by taking its place among the three.
    sam = make_sam()
    model.load_state_dict(sam.state_dict())
    sam.pixel_std.fill_(255)
    image = (255 * torch.rand(64, 64, 3)).byte().numpy()
    plain = SamAutomaticMaskGenerator(sam, **ALL)
    ask = plain.predictor.predict_torch
    plain.predictor.predict_torch = lambda *args, **options: ask(
        *args, **{**options, 'multimask_output': False}
    )
    wanted = plain.generate(image)
    assert wanted
    inputs = torch.from_numpy(image).permute(2, 0, 1).float()[None] / 255
    (embedding,) = model.extract_feat(inputs)[0]
    masks, ious = segment_everything(model.decode_head, embedding, (64, 64), ALL)
    assert len(masks) == len(ious) == len(wanted)
    for mask, iou, record in zip(masks, ious, wanted):
        assert (mask == record['segmentation']).all()
        assert iou == pytest.approx(record['predicted_iou'], abs=1e-5)


def test_segmentor_gives_objects_their_masks(model, make_prompted_sample):
    sample = make_prompted_sample([[0, 0, 64, 64], [2, 2, 5, 5]], (40, 90), [2, 1])
    image = torch.rand(1, 3, 64, 64)
    (result,) = model(image, [sample], mode='predict')
    found = result.pred_instances
    with torch.no_grad():
        (embedding,) = model.extract_feat(image)[0]
    masks, ious = segment_everything(model.decode_head, embedding, (40, 90), ALL)
    objects = np.zeros((2, 40, 90), bool)
    objects[0] = True
    objects[1, 2:4, 3:8] = True  # the pixels whose place in 64x64 is in the object
    for number, chosen in enumerate(share_out(masks, objects)):
        if chosen < 0:
            assert not found.masks[number].any()
            assert found.scores[number] == 0
        else:
            assert (found.masks[number].numpy() == masks[chosen]).all()
            assert found.scores[number] == pytest.approx(ious[chosen])
    assert set(result.pred_sem_seg.data.unique().tolist()) <= {0, 1, 2}


def test_nothing_found_and_nothing_asked(model, make_prompted_sample):
    image = torch.rand(1, 3, 64, 64)
    (result,) = model(image, [make_prompted_sample([])], mode='predict')
    assert result.pred_instances.masks.shape == (0, 64, 64)
    model.generator = {**ALL, 'pred_iou_thresh': 1e6}
    sample = make_prompted_sample([[0, 0, 9, 9]])
    (result,) = model(image, [sample], mode='predict')
    assert not result.pred_instances.masks.any()


def test_crops_are_refused(model, make_prompted_sample):
    model.generator = dict(crop_n_layers=1)
    with pytest.raises(ValueError, match='wanted no crop_n_layers, found 1'):
        sample = make_prompted_sample([[0, 0, 9, 9]])
        model(torch.rand(1, 3, 64, 64), [sample], mode='predict')
