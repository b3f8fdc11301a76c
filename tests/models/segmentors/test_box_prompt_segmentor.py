"""The segmentor against segment-anything, as trained, frozen, loaded and refused."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS
from segment_anything import sam_model_registry
from torch.optim import SGD, Adam, AdamW

import mmseg_universeg
from mmseg_universeg.models import BoxPromptSegmentor
from mmseg_universeg.models.segmentors.box_prompt_segmentor import merge
from mmseg_universeg.utils.sam_keys import to_segmentor_keys

BOXES = [[4.0, 8, 30, 50], [0, 0, 64, 64], [10, 20, 21, 60], [33, 1, 63, 9]]
FROZEN = {
    'prompt_encoder': 'decode_head.prompt_encoder.',
    'image_encoder': 'backbone.',
    'mask_decoder': 'decode_head.mask_decoder.',
}
# What no loss reaches, asked by boxes.
UNREACHED = (
    'decode_head.mask_decoder.iou_prediction_head.',
    'decode_head.prompt_encoder.mask_downscaling.',
    'decode_head.prompt_encoder.point_embeddings.0.',
    'decode_head.prompt_encoder.point_embeddings.1.',
    'decode_head.prompt_encoder.not_a_point_embed.',
)


@pytest.fixture
def sam(make_sam):
    return make_sam()


@pytest.fixture
def model(sam, make_prompted):
    """Our segmentor with the weights of segment-anything's."""
    model = make_prompted()
    model.load_state_dict(sam.state_dict())
    return model.eval()


def predict(model, images, samples):
    return model.test_step(dict(inputs=list(images), data_samples=samples))


def test_equals_segment_anything_with_different_numbers_of_boxes(
    sam, model, make_prompted_sample
):
    images = torch.rand(4, 3, 64, 64)
    counts = (4, 1, 0, 2)
    samples = [make_prompted_sample(BOXES[:n], (40, 90)) for n in counts]
    with torch.no_grad():
        logits = model(images, samples, mode='tensor')
    results = predict(model, images, samples)
    for image, sample, found, number in zip(images, results, logits, counts):
        assert found.shape == (number, 16, 16)
        instances = sample.pred_instances
        assert instances.masks.shape == (number, 40, 90)
        assert sample.pred_sem_seg.data.shape == (1, 40, 90)
        if not number:
            assert not sample.pred_sem_seg.data.any()
            continue
        asked = dict(image=image, original_size=(40, 90))
        asked['boxes'] = torch.tensor(BOXES[:number])
        (wanted,) = sam([asked], multimask_output=False)
        low = wanted['low_res_logits']
        torch.testing.assert_close(found, low[:, 0], rtol=0, atol=1e-5)
        ious = wanted['iou_predictions'][:, 0]
        torch.testing.assert_close(instances.scores, ious, rtol=0, atol=1e-5)
        # As released with MedSAM, not with SAM: the probabilities are resized.
        maps = F.interpolate(low.sigmoid(), (40, 90), mode='bilinear')[:, 0]
        assert torch.equal(instances.masks, maps > 0.5)
        assert 0 < instances.masks.float().mean() < 1


def test_resizing_logits_is_the_other_order(model, make_prompted_sample):
    logits = torch.randn(2, 16, 16) * 5
    size = (40, 90)
    resized = F.interpolate(logits[:, None], size, mode='bilinear')[:, 0]
    first = model.probabilities(logits, size)
    model.resize = 'logits'
    second = model.probabilities(logits, size)
    torch.testing.assert_close(second, resized.sigmoid())
    assert ((first > 0.5) != (second > 0.5)).any()


def test_boxes_come_back_in_pixels_of_the_original(model, make_prompted_sample):
    sample = make_prompted_sample([[8, 16, 32, 64]], (32, 128), [3])
    (result,) = predict(model, torch.rand(1, 3, 64, 64), [sample])
    assert result.pred_instances.bboxes.tolist() == [[16, 8, 64, 32]]
    assert result.pred_instances.labels.tolist() == [3]
    found = result.pred_sem_seg.data[0]
    assert torch.equal(found == 3, result.pred_instances.masks[0])


def test_only_above_one_half_is_foreground(model, make_prompted_sample):
    # All logits 0: every probability is one half exactly.
    for parameter in model.decode_head.mask_decoder.parameters():
        torch.nn.init.zeros_(parameter)
    sample = make_prompted_sample(BOXES)
    (result,) = predict(model, torch.rand(1, 3, 64, 64), [sample])
    assert not result.pred_instances.masks.any()
    assert not result.pred_sem_seg.data.any()


def test_the_more_probable_object_wins():
    maps = torch.tensor([[[0.9, 0.6, 0.5, 0.7]], [[0.8, 0.7, 0.4, 0.7]]])
    merged = merge(maps, torch.tensor([2, 1]))
    assert merged.tolist() == [[2, 1, 0, 2]]
    assert merge(maps[:0], torch.tensor([])).tolist() == [[0, 0, 0, 0]]


def wrapped(weights):
    return {f'module.{name}': value for name, value in weights.items()}


@pytest.mark.parametrize(
    'kind',
    ['plain', 'module', 'model', 'model and module', 'ours', 'state_dict'],
)
@pytest.mark.parametrize('way', ['load_from', 'init_cfg'])
def test_checkpoints_load(sam, make_prompted, tmp_path, kind, way):
    weights = sam.state_dict()
    if kind == 'ours' or kind == 'state_dict':
        other = make_prompted()
        other.load_state_dict(weights)
        weights = other.state_dict()
    if 'module' in kind:
        weights = wrapped(weights)
    if 'model' in kind:
        weights = dict(model=weights, optimizer=dict(state={}), epoch=3)
    if kind == 'state_dict':
        weights = dict(state_dict=weights, meta={})
    path = str(tmp_path / 'weights.pth')
    torch.save(weights, path)
    if way == 'init_cfg':
        model = make_prompted(init_cfg=dict(type='Pretrained', checkpoint=path))
        model.init_weights()
    else:
        model = make_prompted()
        load_checkpoint(model, path, map_location='cpu')
    for name, value in sam.image_encoder.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value)
    for part in ('prompt_encoder', 'mask_decoder'):
        found = getattr(model.decode_head, part).state_dict()
        for name, value in getattr(sam, part).state_dict().items():
            assert torch.equal(found[name], value)


def test_checkpoints_that_do_not_fit_are_refused(sam, make_prompted, tmp_path):
    weights = sam.state_dict()
    del weights['mask_decoder.mask_tokens.weight']
    for given in (weights, dict(model=wrapped(weights))):
        with pytest.raises(ValueError, match=r"no 'decode_head.mask_decoder.mask_tok"):
            make_prompted().load_state_dict(given)
    weights = {**sam.state_dict(), 'image_encoder.more': torch.zeros(1)}
    torch.save(weights, tmp_path / 'more.pth')
    with pytest.raises(ValueError, match=r"it has 'backbone.more'"):
        load_checkpoint(make_prompted(), str(tmp_path / 'more.pth'))


@pytest.mark.parametrize('arch', ['vit_b', 'vit_l', 'vit_h'])
def test_published_checkpoints_fit(arch):
    with torch.device('meta'):
        published = to_segmentor_keys(sam_model_registry[arch]().state_dict())
        backbone = dict(type='SAMImageEncoder', arch=arch)
        ours = BoxPromptSegmentor(backbone, dict(type='MedSAMBoxPromptHead'))
    found = {name: value.shape for name, value in ours.state_dict().items()}
    assert found == {name: value.shape for name, value in published.items()}


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ('frozen', 'make_optimizer'),
    [
        (('prompt_encoder',), lambda p: AdamW(p, lr=1e-2, weight_decay=0.01)),
        (('image_encoder', 'prompt_encoder'), lambda p: Adam(p, lr=1e-2)),
        (('mask_decoder',), lambda p: AdamW(p, lr=1e-2, weight_decay=0.1)),
        ((), lambda p: AdamW(p, lr=1e-2, weight_decay=0.01)),
    ],
)
def test_frozen_is_not_changed_by_a_bit(
    sam, make_prompted, make_prompted_sample, frozen, make_optimizer
):
    model = make_prompted(frozen=frozen)
    model.load_state_dict(sam.state_dict())
    before = state_of(model)
    prefixes = tuple(FROZEN[name] for name in frozen)
    optim_wrapper = OptimWrapper(make_optimizer(model.parameters()))
    model.train()
    for _ in range(3):
        samples = [make_prompted_sample(BOXES[:3]), make_prompted_sample(BOXES[3:])]
        data = dict(inputs=list(torch.rand(2, 3, 64, 64)), data_samples=samples)
        log = model.train_step(data, optim_wrapper)
        assert list(log) == ['loss', 'decode.loss_dice_ce']
    untouched = (*UNREACHED, *prefixes)
    after = model.state_dict()
    for name, parameter in model.named_parameters():
        state = optim_wrapper.optimizer.state.get(parameter)
        changed = not torch.equal(after[name], before[name])
        if name.startswith(untouched):
            assert not parameter.requires_grad
            assert not state
            assert not changed, name
        else:
            assert state
            # The networks of the three masks that are not asked for get zeros.
            assert changed or 'hypernetworks' in name, name
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name])
    for name, module in model.named_modules():
        assert module.training != f'{name}.'.startswith(prefixes), name
    model.eval()
    assert not any(module.training for module in model.modules())


def test_frozen_image_encoder_keeps_no_graph(make_prompted, make_prompted_sample):
    images = torch.rand(1, 3, 64, 64)
    assert make_prompted().extract_feat(images)[0].requires_grad
    frozen = make_prompted(frozen=('image_encoder',))
    assert not frozen.extract_feat(images)[0].requires_grad


def test_training_learns_the_objects(make_prompted, make_prompted_sample):
    torch.manual_seed(1)
    model = make_prompted(frozen=())
    optim_wrapper = OptimWrapper(AdamW(model.parameters(), lr=3e-3))
    samples = [make_prompted_sample(BOXES)]
    images = list(torch.rand(1, 3, 64, 64))
    losses = []
    for _ in range(25):
        model.train()
        data = dict(inputs=images, data_samples=samples)
        losses.append(model.train_step(data, optim_wrapper)['loss'].item())
    assert losses[-1] < 0.5 * losses[0]


def test_images_without_boxes_train(make_prompted, make_prompted_sample):
    model = make_prompted(frozen=())
    images = torch.rand(2, 3, 64, 64)
    some = [make_prompted_sample(BOXES[:2]), make_prompted_sample([])]
    alone = model.loss(images[:1], some[:1])['decode.loss_dice_ce']
    both = model.loss(images, some)['decode.loss_dice_ce']
    torch.testing.assert_close(both, alone)
    none = model.loss(images[:1], some[1:])['decode.loss_dice_ce']
    assert none == 0
    none.backward()
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)


@pytest.fixture
def process_group(tmp_path):
    dist.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    'options', [dict(), dict(frozen=()), dict(frozen=(), prompt='point')]
)
def test_distributed_training_waits_for_nothing(
    process_group, make_prompted, make_prompted_sample, options
):
    # As default_runtime.py wraps it. A parameter without a gradient would make the
    # second step fail.
    model = make_prompted(**options)
    plain = copy.deepcopy(model)
    wrapper = MMDistributedDataParallel(model, device_ids=None)
    steps = [(m, OptimWrapper(SGD(m.parameters(), lr=0.1))) for m in (wrapper, plain)]
    for boxes in (BOXES, [], BOXES[:1]):
        image = torch.rand(3, 64, 64)
        for module, optim_wrapper in steps:
            torch.manual_seed(len(boxes))  # of the points
            sample = make_prompted_sample(boxes)
            data = dict(inputs=[image], data_samples=[sample])
            module.train_step(data, optim_wrapper)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


@pytest.mark.parametrize(
    ('box', 'found'),
    [
        ([10, 10, 65, 20], r'\[10.0, 10.0, 65.0, 20.0\]'),
        ([-1, 10, 30, 20], r'\[-1.0'),
        ([30, 10, 10, 20], r'\[30.0, 10.0, 10.0'),
        ([10, 10, 10, 20], r'\[10.0, 10.0, 10.0'),
        ([10, float('nan'), 20, 20], r'nan'),
        ([100, 100, 400, 500], r'\[100.0'),
        ([0, 0, float('inf'), 20], r'inf'),
    ],
)
def test_bad_boxes_are_refused(model, make_prompted_sample, box, found):
    sample = make_prompted_sample(BOXES)
    sample.gt_instances.bboxes[1] = torch.tensor(box)
    for mode in ('loss', 'predict', 'tensor'):
        with pytest.raises(ValueError, match=rf'a.png: box 1 is .*{found}.*0 to 64'):
            model(torch.rand(1, 3, 64, 64), [sample], mode=mode)


def test_rounding_may_leave_the_image(model, make_prompted_sample):
    sample = make_prompted_sample([[0, 0, 64, 64]])
    sample.gt_instances.bboxes += torch.tensor([-1e-4, 0, 0, 1e-4])
    assert predict(model, torch.rand(1, 3, 64, 64), [sample])


def test_samples_that_lack_something_are_refused(model, make_prompted_sample):
    image = torch.rand(1, 3, 64, 64)
    with pytest.raises(ValueError, match='needs prompts'):
        model(image, mode='predict')
    sample = make_prompted_sample(BOXES)
    sample.gt_instances.pop('masks')
    with pytest.raises(ValueError, match=r'a.png: gt_instances has no masks'):
        model(image, [sample], mode='loss')
    sample.gt_instances.masks = torch.ones(4, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r'masks are \(32, 32\), wanted .*\(64, 64\)'):
        model(image, [sample], mode='loss')
    model.prompt = 'point'
    sample.gt_instances.masks[2] = 0
    with pytest.raises(ValueError, match=r'masks \[2\] of 4 are empty'):
        model(image, [sample], mode='loss')
    sample.set_metainfo(dict(flip=True))
    with pytest.raises(ValueError, match='not flipped'):
        model(image, [sample], mode='predict')
    del sample.gt_instances
    with pytest.raises(ValueError, match=r'a.png: has no gt_instances'):
        model(image, [sample], mode='predict')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(frozen=('image',)), r"frozen must name .*found \['image'\]"),
        (dict(prompt='mask'), "prompt must be one of .*found 'mask'"),
        (dict(resize='masks'), "resize must be one of .*found 'masks'"),
        (dict(points=0), 'points must be at least 1, found 0'),
    ],
)
def test_options_that_do_not_exist_are_refused(make_prompted, options, message):
    with pytest.raises(ValueError, match=message):
        make_prompted(**options)


def test_inputs_that_do_not_fit_are_refused(model, make_prompted_sample):
    samples = [make_prompted_sample(BOXES) for _ in range(2)]
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 48)]
    with pytest.raises(ValueError, match=r'differ in shape'):
        predict(model, images, samples)
    with pytest.raises(TypeError, match=r'floating point in \[0, 1\], got torch.uint8'):
        predict(model, [(255 * images[0]).byte()], samples[:1])


@pytest.mark.parametrize('name', ['medsam_vit-b', 'medsam_small'])
def test_model_configs(name, make_prompted_sample):
    cfg = Config.fromfile(mmseg_universeg.config_path(f'_base_/models/{name}.py'))
    if name == 'medsam_vit-b':
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(cfg.model)
        assert sum(p.numel() for p in model.parameters()) == 93_735_472
        return
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    number = sum(p.numel() for p in model.parameters())
    assert round(number / 1e6, 1) == 2.4
    sample = make_prompted_sample(BOXES)
    masks = sample.gt_instances.masks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    sample.gt_instances.masks = masks
    (loss,) = model.loss(torch.rand(1, 3, 512, 512), [sample]).values()
    loss.backward()
    assert loss.isfinite()
