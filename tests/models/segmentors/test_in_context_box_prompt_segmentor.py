"""In-context masks whose boxes prompt: what is asked, loaded and refused."""

import pytest
import torch
from mmengine.structures import InstanceData
from mmseg.structures import SegDataSample

from mmseg_universeg.models import InContextBoxPromptSegmentor, MeanSupportMask

# Two objects of class 1, one of class 2, in support images of half the size.
MASK = torch.zeros(1, 32, 32, dtype=torch.int64)
MASK[:, 2:8, 3:10] = 1
MASK[:, 20:30, 1:6] = 1
MASK[:, 10:19, 12:31] = 2
# The mean of the masks, whatever the image: boxes are known beforehand.
MEAN = dict(type='MeanSupportMask')
UNIVERSEG = dict(type='UniverSeg', features=(4, 4))


def make_samples(count):
    return [
        SegDataSample(metainfo=dict(img_path=f'{number}.png', ori_shape=(40, 90)))
        for number in range(count)
    ]


@pytest.fixture
def make_model(make_prompted):
    def make(in_context=MEAN, **options) -> InContextBoxPromptSegmentor:
        return make_prompted(
            kind=InContextBoxPromptSegmentor, in_context=in_context, **options
        ).eval()

    return make


def predict(model, images, samples):
    return model.test_step(dict(inputs=list(images), data_samples=samples))


@pytest.mark.parametrize(
    'boxes, wanted, labels',
    [
        ({}, [[2, 4, 20, 60], [24, 20, 62, 38]], [1, 2]),
        (
            dict(per='component', shift=1, min_area=1),
            [[5, 3, 21, 17], [1, 39, 13, 61], [23, 19, 63, 39]],
            [1, 1, 2],
        ),
        (dict(classes=(2,)), [[24, 20, 62, 38]], [2]),
        (dict(min_area=64 * 64), [], []),
    ],
)
def test_boxes_lie_around_what_the_supports_show(make_model, boxes, wanted, labels):
    model = make_model(boxes=boxes)
    model.set_support(torch.rand(1, 1, 32, 32), MASK)
    for found in model.propose(torch.rand(2, 3, 64, 64)):
        assert found.bboxes.reshape(-1, 4).tolist() == wanted
        assert found.labels.tolist() == labels
        assert found.bboxes.dtype == torch.float32


def test_segments_as_by_the_same_boxes_given(make_model, make_prompted):
    model, plain = make_model(), make_prompted().eval()
    plain.load_state_dict(
        {
            key: value
            for key, value in model.state_dict().items()
            if not key.startswith('in_context.')
        }
    )
    model.set_support(torch.rand(1, 1, 32, 32), MASK)
    images = torch.rand(2, 3, 64, 64)
    found = predict(model, images, make_samples(2))
    given = make_samples(2)
    for sample in given:
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[2.0, 4, 20, 60], [24, 20, 62, 38]]),
            labels=torch.tensor([1, 2]),
        )
    for one, other in zip(found, predict(plain, images, given)):
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)
        assert torch.equal(one.pred_instances.masks, other.pred_instances.masks)
        assert one.pred_sem_seg.data.shape == (1, 40, 90)
        assert one.pred_sem_seg.data.any()


def test_nothing_found_is_background(make_model):
    model = make_model(boxes=dict(min_area=64 * 64))
    model.set_support(torch.rand(1, 1, 32, 32), MASK)
    (result,) = predict(model, torch.rand(1, 3, 64, 64), make_samples(1))
    assert not result.pred_sem_seg.data.any()
    assert result.pred_instances.masks.shape == (0, 40, 90)


def test_the_in_context_model_sees_the_luma_at_the_size_of_its_supports(
    make_model, monkeypatch
):
    model = make_model()
    model.set_support(torch.rand(1, 1, 32, 32), MASK)
    seen = []
    ask = MeanSupportMask.class_probabilities
    monkeypatch.setattr(
        MeanSupportMask,
        'class_probabilities',
        lambda self, images: seen.append(images) or ask(self, images),
    )
    colour = torch.tensor([0.2, 0.6, 1.0])[None, :, None, None]
    model.propose(colour.expand(1, 3, 64, 64))
    wanted = 0.299 * 0.2 + 0.587 * 0.6 + 0.114 * 1.0
    torch.testing.assert_close(seen[0], torch.full((1, 1, 32, 32), wanted))


def test_without_supports_it_says_what_is_missing(make_model):
    with pytest.raises(RuntimeError, match='SupportSetHook'):
        predict(make_model(), torch.rand(1, 3, 64, 64), make_samples(1))


def test_other_prompts_are_refused(make_model):
    with pytest.raises(ValueError, match="found 'point'"):
        make_model(prompt='point')


@pytest.mark.parametrize('nested', [False, True])
def test_a_sam_checkpoint_is_completed_by_the_in_context_weights(
    make_model, make_sam, tmp_path, nested
):
    sam = make_sam()
    trained = make_model(UNIVERSEG).in_context
    path = tmp_path / 'universeg.pth'
    torch.save(dict(state_dict=trained.state_dict()), path)
    pretrained = dict(type='Pretrained', checkpoint=str(path))
    model = make_model(dict(UNIVERSEG, init_cfg=pretrained))
    weights = dict(model=sam.state_dict()) if nested else sam.state_dict()
    model.load_state_dict(dict(weights))
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[f'in_context.{name}'], value)
    wanted = sam.image_encoder.pos_embed
    assert torch.equal(model.backbone.state_dict()['pos_embed'], wanted)
    # Its own checkpoint holds both: nothing is read again.
    path.unlink()
    again = make_model(dict(UNIVERSEG, init_cfg=pretrained))
    again.load_state_dict(model.state_dict())
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_a_sam_checkpoint_alone_is_refused(make_model, make_sam):
    with pytest.raises(ValueError, match='no weights of the in-context model'):
        make_model(UNIVERSEG).load_state_dict(make_sam().state_dict())


def test_training_leaves_the_in_context_model_as_it_is(
    make_model, make_prompted_sample
):
    model = make_model(UNIVERSEG).train()
    assert not model.in_context.training
    sample = make_prompted_sample([[4, 8, 30, 50]])
    losses = model.loss(torch.rand(1, 3, 64, 64), [sample])
    losses['decode.loss_dice_ce'].backward()
    assert all(p.grad is None for p in model.in_context.parameters())
    assert any(p.grad is not None for p in model.decode_head.parameters())
