"""Images of drawn tasks made in torch: those that numpy and OpenCV make."""

import re
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import MODELS
from scipy.fft import dctn, idctn
from scipy.stats import ks_2samp
from torch.utils.data import DataLoader

from mmseg_universeg import config_path
from mmseg_universeg.datasets import InContextDataset, SyntheticTasksDataset
from mmseg_universeg.datasets.drawing import (
    FAMILIES,
    HARDER_FAMILIES,
    Acquisition,
    Changes,
    Sketch,
    acquire,
    draw_sketches,
    on_device,
    render,
    torch_filters,
    varied,
)
from mmseg_universeg.datasets.drawing.appearance import TEXTURES, draw_texture
from mmseg_universeg.datasets.drawing.fields import Pose, deform, smooth_fields
from mmseg_universeg.datasets.synthetic import MAX_SHARE, MIN_SHARE, find_options
from mmseg_universeg.datasets.transforms import AugmentEach
from mmseg_universeg.models import EpisodeDataPreprocessor

PACK = [dict(type='PackEpisodeInputs')]
SIZE = (40, 56)


@pytest.fixture(scope='module')
def options():
    """Tasks of every kind, with faint objects too."""
    cfg = Config.fromfile(config_path('universeg_drawn-tasks_64x64_harder.py'))
    options = find_options(cfg.train_dataloader.dataset)
    assert options['changes']['faint'][0] > 0
    return {**options, 'image_size': SIZE}


@pytest.fixture(scope='module')
def sketches(options):
    """Tasks of every family, of four images each."""
    found = []
    for family in (*FAMILIES, *HARDER_FAMILIES):
        own = {**options, 'families': {family.__name__: 1.0}}
        dataset = SyntheticTasksDataset(**own, support_size=3, sketch=True)
        found += [dataset[idx]['images'][0]['sketch'] for idx in range(12)]
    return found


def source(rng):
    """What is drawn in torch, from numpy's generator instead."""
    return on_device.Source(
        rng,
        lambda shape: torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
    )


def draw(sketch, device='cpu'):
    """Images and masks of a sketch, without others."""
    ((images, masks),) = draw_sketches([sketch], device)
    return images, masks


def twins(seed):
    return np.random.default_rng(seed), np.random.default_rng(seed)


def test_images_are_those_of_numpy(sketches):
    """Those of many tasks of all families, made together."""
    happened = set()
    looks = [sketch.look for sketch in sketches]
    rngs = [np.random.default_rng(number) for number in range(len(sketches))]
    labels = [sketch.labels[: 1 + n % 4] for n, sketch in enumerate(sketches)]
    together = on_device.render([source(rng) for rng in rngs], labels, looks)
    for number, (look, found) in enumerate(zip(looks, together, strict=True)):
        wanted_rng = np.random.default_rng(number)
        wanted = render(wanted_rng, labels[number].numpy(), look)
        assert found.dtype == torch.float32
        assert found.numpy() == pytest.approx(wanted, abs=5e-5)
        # As much was drawn, in the same order.
        assert wanted_rng.random() == rngs[number].random()
        happened |= {name for name in ('faint', 'rim', 'bias') if getattr(look, name)}
        happened |= {('invert', look.invert)}
        used = np.unique(look.pattern[look.grain > 0])
        happened |= {look.textures[k].kind for k in used}
    both = {('invert', False), ('invert', True)}
    assert happened == {'faint', 'rim', 'bias', *TEXTURES, *both}


@pytest.mark.parametrize(
    'strengths',
    [
        dict(negative=0.4),
        dict(exposure=0.4),
        dict(vignetting=0.7),
        dict(partial_volume=2.5),
        dict(low_resolution=1.3),
        dict(low_resolution=2.9),
        dict(rician=0.1),
        dict(speckle=0.3),
        dict(black_borders=0.15),
        dict(
            negative=0.5,
            exposure=0.3,
            vignetting=0.5,
            partial_volume=1.0,
            low_resolution=2.0,
            rician=0.1,
            speckle=0.2,
            black_borders=0.2,
        ),
    ],
    ids=lambda strengths: '+'.join(strengths),
)
def test_acquisition_is_that_of_numpy(sketches, strengths):
    happening = {name: (1.0, value, value) for name, value in strengths.items()}
    acquisition = Acquisition(**happening)
    changed = kept_whole = 0
    rngs, images, masks, leasts = [], [], [], []
    for number, sketch in enumerate(sketches[::4]):
        look, labels = sketch.look, sketch.labels.numpy()
        rngs.append(np.random.default_rng(number))
        images.append(render(np.random.default_rng(number), labels, look))
        masks.append((labels == look.foreground).astype(np.uint8))
        # Where borders leave too little of the mask there are none.
        leasts.append(max(MIN_SHARE, 0.8 * np.median(masks[-1].mean((1, 2)))))
    together = on_device.acquire(
        [source(rng) for rng in rngs],
        [torch.from_numpy(some) for some in images],
        [torch.from_numpy(some).float() for some in masks],
        leasts,
        [acquisition] * len(rngs),
    )
    for number, (found, found_masks) in enumerate(together):
        wanted_rng = np.random.default_rng(number)
        image, mask = images[number], masks[number]
        wanted, wanted_masks = acquire(
            wanted_rng, image.copy(), mask.copy(), leasts[number], acquisition
        )
        assert found.numpy() == pytest.approx(wanted, abs=5e-5)
        assert np.array_equal(found_masks, wanted_masks)
        assert wanted_rng.random() == rngs[number].random()
        changed += np.abs(wanted - image).max() > 0.01
        kept_whole += np.array_equal(wanted_masks, mask)
    assert changed > len(sketches[::4]) / 2
    if 'black_borders' in strengths:
        assert 0 < kept_whole < len(sketches[::4])


def test_all_is_computed_where_the_noise_is(sketches):
    """Few operations take tensors of the meta device and of another one."""
    everything = {
        effect.name: (1.0, value, value)
        for effect, value in zip(
            fields(Acquisition), (0.4, 0.4, 0.7, 2.5, 1.7, 0.1, 0.3, 50, 0.15)
        )
    }
    for sketch in sketches[::3]:
        rng = np.random.default_rng(0)

        def noise(shape):
            return torch.empty(shape, device='meta')

        there = [on_device.Source(rng, noise)]
        labels = [sketch.labels.to('meta')]
        # Objects of faint ones are told apart on the CPU.
        looks = [replace(sketch.look, faint=0.0)]
        images = on_device.render(there, labels, looks)
        masks = [torch.empty(images[0].shape, device='meta')]
        drawn = on_device.acquire(
            there, images, masks, [MIN_SHARE], [Acquisition(**everything)]
        )
        bent = on_device.deform(there, labels, [sketch.pose])
        for found in (*images, *drawn[0], *bent):
            assert found.device.type == 'meta'
            assert found.shape == sketch.labels.shape


@pytest.mark.parametrize('size', [SIZE, (56, 40)])
def test_windows_are_those_of_opencv(size):
    rng = np.random.default_rng(0)
    canvas = smooth_fields(rng, 5, size, 4).argmax(0).astype(np.uint8)
    changes = Changes(any_way=0.5, scale=(0.1, 0.4), shift=(0.05, 0.3))
    mirrored = set()
    for number in range(20):
        pose = Pose.draw(rng, changes)
        mirrored.add(pose.mirror)
        wanted_rng, rng_here = twins(number)
        wanted = deform(wanted_rng, canvas, 3, size, min(size), pose)
        labels = torch.from_numpy(canvas).expand(3, *size)
        (found,) = on_device.deform([source(rng_here)], [labels], [pose])
        assert found.dtype == torch.uint8
        # Where a point is halfway between two pixels either may be the nearest.
        assert np.mean(found.numpy() != wanted) < 1e-3
        assert np.mean(wanted[0] != canvas) > 0.1
        assert wanted_rng.random() == rng_here.random()
    assert mirrored == {False, True}


STILL = Pose(0.0, 0.0, 0.0, 0.0, False, 0.0, 2.0)


def sketch_of_squares(pose, num_images=8):
    """A query with a square at the left, three supports with one elsewhere."""
    labels = torch.zeros(4, 32, 32, dtype=torch.uint8)
    for n, (top, left) in enumerate([(12, 0), (4, 12), (12, 20), (20, 12)]):
        labels[n, top : top + 8, left : left + 8] = 1
    options = dict(image_size=(32, 32), families=dict(blobs=1.0), support_size=1)
    look = SyntheticTasksDataset(**options, sketch=True)[0]['images'][0]['sketch'].look
    look = replace(look, foreground=1, jitter=look.jitter[:1] * np.zeros(9))
    look = replace(look, means=np.arange(9) / 9, pattern=np.zeros(9, int))
    look = replace(look, grain=np.zeros(9), shading=np.zeros(9))
    return Sketch(labels, num_images, pose, look, Acquisition(), (0.05, 0.9), 3)


def test_further_images_are_of_the_supports_in_turn():
    sketch = sketch_of_squares(STILL)
    images, masks = draw(sketch)
    turns = [0, 1, 2, 3, 1, 2, 3, 1]
    assert torch.equal(masks, sketch.labels[turns].float())
    # The masks repeat, the images do not.
    assert (images[4] - images[1]).abs().mean() > 1e-3
    # As many images as label maps: none is needed again.
    _, masks = draw(replace(sketch, num_images=4))
    assert torch.equal(masks, sketch.labels.float())


def test_further_images_are_deformed_within_the_limits():
    moved = replace(STILL, shift=0.1, elastic=0.1)
    sketch = replace(sketch_of_squares(moved, num_images=40), shares=(0.02, 0.9))
    _, masks = draw(sketch)
    assert torch.equal(masks[:4], sketch.labels.float())
    again = sketch.labels[[1 + n % 3 for n in range(36)]].float()
    share = masks[4:].mean((1, 2))
    assert share.min() >= 0.02 and share.max() <= 0.9
    changed = (masks[4:] != again).any(2).any(1)
    assert changed.float().mean() > 0.9
    assert len(masks[4:][changed].flatten(1).unique(dim=0)) == changed.sum()

    # A square is a sixteenth of an image; hardly a window of another width has that.
    wide = replace(sketch, pose=replace(STILL, scale=3.0), shares=(0.06, 0.065))
    _, masks = draw(wide)
    kept = (masks[4:] == again).all(2).all(1)
    assert kept.sum() > 25
    share = masks.mean((1, 2))
    assert share.min() >= 0.06 and share.max() <= 0.065


def test_nothing_happens_to_images_by_default():
    images = torch.rand(2, 16, 24)
    images[:, 0, 0], images[:, 0, 1] = 0, 1
    masks = (images > 0.5).float()
    rng = np.random.default_rng(0)
    ((found, found_masks),) = on_device.acquire(
        [source(rng)], [images], [masks], [0.005], [Acquisition()]
    )
    assert torch.equal(found, images)
    assert torch.equal(found_masks, masks)


@pytest.mark.parametrize('kind', TEXTURES)
def test_patterns_are_those_of_numpy(kind):
    rng = np.random.default_rng(0)
    textures = [draw_texture(rng, (60, 84), 8.0) for _ in range(40)]
    textures = [texture for texture in textures if texture.kind == kind]
    assert len(textures) > 3
    patterns = on_device.draw_patterns(textures, (60, 84), torch.zeros(()))
    for texture, found in zip(textures, patterns, strict=True):
        assert found.numpy() == pytest.approx(texture.pattern((60, 84)), abs=2e-4)
        assert found.mean() == pytest.approx(0, abs=1e-5)
        assert found.std(correction=0) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize('size', [(32, 48), (7, 1)])
def test_blur_is_that_of_opencv(size):
    rng = np.random.default_rng(0)
    # The widest kernels are many times as wide as the smaller images.
    sigmas = np.array([0.1, 0.4, 0.8, 1.7, 3.3, 9.0])
    images = rng.random((len(sigmas), *size), np.float32)
    found = torch_filters.blur(torch.from_numpy(images), sigmas)
    for image, sigma, one in zip(images, sigmas, found.numpy()):
        wanted = cv2.GaussianBlur(image, (0, 0), sigma)
        assert one == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize('quality', [5, 10, 30, 49, 50, 60, 90, 100])
def test_compression_is_that_of_jpeg(quality):
    rng = np.random.default_rng(quality)
    images = np.stack(
        [
            cv2.GaussianBlur(rng.random((45, 52), np.float32), (0, 0), sigma)
            for sigma in (0.5, 1, 2, 4)
        ]
    )
    images -= images.min((1, 2), keepdims=True)
    images /= images.max((1, 2), keepdims=True)
    found = torch_filters.compress(torch.from_numpy(images), quality).numpy()
    levels = found * 255
    assert levels == pytest.approx(np.rint(levels), abs=1e-4)
    for image, one in zip(images, found):
        eight_bit = np.rint(image * 255).astype(np.uint8)
        _, code = cv2.imencode('.jpg', eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
        wanted = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE).astype(float) / 255
        # OpenCV's codec computes in integers, so a few coefficients are rounded
        # to another step.
        assert np.mean(np.abs(one - wanted) < 1.5 / 255) > 0.85
        lost = np.square(wanted - image).mean()
        assert np.square(one - image).mean() == pytest.approx(lost, rel=0.12)


def test_compression_is_a_block_of_cosines_at_a_time():
    image = np.random.default_rng(0).random((13, 24), np.float32)
    found = torch_filters.compress(torch.from_numpy(image[None]), 50)[0]
    # Quality 50 has the steps of the standard's table, whose corners are these.
    steps = torch_filters.QUANTISATION
    assert (steps[0, 0], steps[0, 7], steps[7, 0], steps[7, 7]) == (16, 61, 72, 99)
    assert steps.sum() == 3688
    levels = np.pad(np.rint(255.0 * image) - 128, ((0, 3), (0, 0)), 'edge')
    for top, left in ((0, 0), (0, 8), (0, 16), (8, 0), (8, 8), (8, 16)):
        block = dctn(levels[top : top + 8, left : left + 8], norm='ortho')
        block = idctn(steps * np.rint(block / steps), norm='ortho') + 128
        wanted = np.clip(np.rint(block), 0, 255)[: 13 - top]
        part = found[top : top + 8, left : left + 8] * 255
        assert part.numpy() == pytest.approx(wanted, abs=1e-3)


def test_a_sketch_draws_the_same_again_whatever_the_state_of_torch(sketches):
    for sketch in sketches[::6]:
        torch.manual_seed(0)
        images, masks = draw(sketch)
        torch.manual_seed(1)
        before = torch.get_rng_state()
        # In training models do this, whose products are of half precision.
        with torch.autocast('cpu', torch.bfloat16):
            again, masks_again = draw(sketch, torch.device('cpu'))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(images, again) and torch.equal(masks, masks_again)
        other, _ = draw(replace(sketch, seed=sketch.seed + 1))
        assert (images - other).abs().mean() > 1e-3


def test_tasks_drawn_together_are_those_drawn_alone(sketches):
    """Also where they have other numbers of images, and label maps to deform."""
    mixed = [
        replace(sketch, num_images=4 + n % 3, labels=sketch.labels[: 3 + n % 2])
        for n, sketch in enumerate(sketches[::7])
    ]
    together = draw_sketches(mixed, 'cpu')
    assert [len(images) for images, _ in together] == [
        sketch.num_images for sketch in mixed
    ]
    for sketch, (images, masks) in zip(mixed, together, strict=True):
        alone, masks_alone = draw(sketch)
        assert torch.equal(masks, masks_alone)
        # But for levels of JPEG that rounding decides.
        assert ((images - alone).abs() < 1e-5).float().mean() > 0.999


def test_tasks_drawn_together_have_one_size(sketches):
    other = replace(sketches[0], labels=sketches[0].labels[:, :32])
    with pytest.raises(ValueError, match=r'differ in size: \[\(32, 56\), \(40, 56\)\]'):
        draw_sketches([sketches[0], other], 'cpu')


def test_values_are_in_range_and_no_mask_is_empty(sketches):
    cut = 0
    for sketch in sketches:
        images, masks = draw(sketch)
        assert images.shape == masks.shape == (4, *SIZE)
        assert images.dtype == masks.dtype == torch.float32
        assert images.amin((1, 2)).tolist() == [0] * 4
        assert images.amax((1, 2)).tolist() == [1] * 4
        assert set(masks.unique().tolist()) == {0, 1}
        assert masks.mean((1, 2)).min() >= MIN_SHARE
        whole = (sketch.labels == sketch.look.foreground).float()
        assert (masks <= whole).all()
        cut += not torch.equal(masks, whole)
    # By black borders only.
    assert 0 < cut < 0.3 * len(sketches)


def test_few_label_maps_give_many_images(options):
    options = {**options, 'acquisition': {}}
    distinct = []
    for family in (*FAMILIES, *HARDER_FAMILIES):
        own = {**options, 'families': {family.__name__: 1.0}}
        dataset = SyntheticTasksDataset(
            **own, support_size=(1, 9), sketch=True, support_maps=2
        )
        for idx in range(12):
            sketch = dataset[idx]['images'][0]['sketch']
            supports = dataset.support_size(idx)
            assert len(sketch.labels) == min(3, supports + 1)
            images, masks = draw(sketch)
            assert images.shape == masks.shape == (supports + 1, *SIZE)
            share = masks.mean((1, 2))
            assert share.min() >= MIN_SHARE - 1e-6 and share.max() <= MAX_SHARE + 1e-6
            drawn = (sketch.labels == sketch.look.foreground).float()
            assert torch.equal(masks[: len(drawn)], drawn)
            different = len(masks[3:].flatten(1).unique(dim=0))
            distinct.append((different, len(masks[3:])))
    different, all_of_them = np.sum(distinct, 0)
    assert different > 0.95 * all_of_them > 500


def test_images_are_deformed_as_their_prototype_is(options):
    for family in (*FAMILIES, *HARDER_FAMILIES):
        own = {**options, 'families': {family.__name__: 1.0}}
        seen = []
        for idx in range(20):
            rng = np.random.default_rng(idx)
            scene = family(rng, SIZE, Changes.of(own['changes']))
            seen.append(scene.pose)
            everything = Changes(distractors=(1.0, 1, 8))
            assert varied(rng, scene, 0, everything).pose is scene.pose
        # Where there is no prototype, in any task's way.
        assert (seen == [None] * 20) == (
            family.__name__ in ('nested', 'instances', 'lesion', 'lookalikes', 'packed')
        )


@pytest.mark.parametrize(
    'arguments',
    [
        dict(support_maps=4),
        dict(sketch=True, support_maps=0),
        dict(sketch=True, support_maps=4.5),
        dict(sketch=True, support_maps='4'),
    ],
)
def test_support_maps_are_of_sketches(arguments):
    wanted = (
        f'support_maps must be a whole number .* {arguments["support_maps"]!r} with'
    )
    with pytest.raises(ValueError, match=wanted):
        SyntheticTasksDataset(**arguments)


def test_label_maps_and_masks_are_those_of_drawn_tasks(options):
    options = {**options, 'acquisition': {}}
    drawn, sketched = (
        SyntheticTasksDataset(**options, support_size=3, sketch=sketch)
        for sketch in (False, True)
    )
    for idx in range(30):
        images, (query,) = drawn[idx]['images'], sketched[idx]['images']
        assert query['task'] == images[0]['task']
        assert query['img_shape'] == query['ori_shape'] == SIZE
        _, masks = draw(query['sketch'])
        assert np.array_equal(masks, [image['gt_seg_map'] for image in images])


def test_images_are_distributed_as_those_of_drawn_tasks(options):
    def statistics(sketch):
        dataset = SyntheticTasksDataset(**options, support_size=1, sketch=sketch)
        found = []
        for idx in range(250):
            images = dataset[idx]['images']
            image = (
                draw(images[0]['sketch'])[0][0].numpy() if sketch else images[0]['img']
            )
            steps = np.abs(np.diff(image)).mean()
            found.append((image.mean(), image.std(), steps))
        return zip(*found)

    for one, other in zip(statistics(False), statistics(True)):
        assert ks_2samp(one, other).pvalue > 0.05


def sketching(**options):
    return SyntheticTasksDataset(
        **options, pipeline=PACK, support_size=(2, 5), length=12, batch_size=2
    )


def test_episodes_are_what_a_sketch_draws_in_any_process(options):
    dataset = sketching(**options, sketch=True)
    episodes = {}
    for workers in (0, 2):
        loader = DataLoader(
            dataset, batch_size=2, num_workers=workers, collate_fn=pseudo_collate
        )
        episodes[workers] = [EpisodeDataPreprocessor()(batch, True) for batch in loader]
    for first, (here, there) in enumerate(zip(*episodes.values(), strict=True)):
        for key in ('img', 'support_imgs', 'support_masks'):
            assert torch.equal(here['inputs'][key], there['inputs'][key])
        for n, sample in enumerate(here['data_samples']):
            sketch = dataset[2 * first + n]['inputs']['sketch']
            images, masks = draw(sketch)
            # Among other tasks the same but for rounding.
            found = here['inputs']['img'][n], here['inputs']['support_imgs'][n, :, 0]
            assert torch.cat(found).numpy() == pytest.approx(images.numpy(), abs=1e-5)
            assert torch.equal(here['inputs']['support_masks'][n, :, 0], masks[1:])
            assert sample.gt_sem_seg.data.dtype == torch.int64
            assert torch.equal(sample.gt_sem_seg.data[0], masks[0].long())
            name = rf'{re.escape(sample.task)}-{sketch.seed:08x}-000\.png'
            assert re.fullmatch(name, sample.img_path)


def test_a_model_learns_from_sketches_what_it_learns_from_their_images(options):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='UniverSeg',
            features=(4, 4),
            loss_decode=dict(type='SoftDiceLoss'),
        )
    )
    dataset = sketching(**options, sketch=True)
    batch = pseudo_collate([dataset[0], dataset[1]])
    episodes = model.data_preprocessor(batch, True)
    plain = dict(
        inputs={key: list(value) for key, value in episodes['inputs'].items()},
        data_samples=episodes['data_samples'],
    )
    found = model.loss(**episodes)
    wanted = model.loss(**model.data_preprocessor(plain, True))
    assert found['loss_dice'] == wanted['loss_dice']
    found['loss_dice'].backward()
    assert next(model.parameters()).grad.abs().sum() > 0


def test_mixtures_sketch_all_their_tasks_or_none(options):
    def mixture(*sketch):
        datasets = [SyntheticTasksDataset(**options, sketch=each) for each in sketch]
        return InContextDataset(datasets, PACK, support_size=2)

    for sketch in ((False, False), (True, True)):
        mixture(*sketch)
    episode = mixture(True, True)[0]
    assert isinstance(episode['inputs']['sketch'], Sketch)
    assert len(episode['inputs']['sketch'].labels) == 3
    with pytest.raises(ValueError, match='1 of 2 data sets have sketch=True'):
        mixture(False, True)


def test_sketches_are_not_augmented_silently(options):
    dataset = SyntheticTasksDataset(
        **options, sketch=True, pipeline=[AugmentEach(transforms=[]), *PACK]
    )
    with pytest.raises(ValueError, match=r'AugmentEach out of .* or set sketch=False'):
        dataset[0]


def test_faint_objects_are_those_of_numpy():
    """Each loses its own share, towards the largest other label of its image."""
    changes = dict(faint=(1.0, 0.5, 0.8))
    assert Changes.of(changes).faint == (1.0, 0.5, 0.8)
    dataset = SyntheticTasksDataset(
        image_size=SIZE, families=dict(packed=1.0), changes=changes, sketch=True
    )
    for idx in range(6):
        sketch = dataset[idx]['images'][0]['sketch']
        assert 0.5 <= sketch.look.faint <= 0.8
        wanted_rng, rng = twins(idx)
        wanted = render(wanted_rng, sketch.labels.numpy(), sketch.look)
        (found,) = on_device.render([source(rng)], [sketch.labels], [sketch.look])
        assert found.numpy() == pytest.approx(wanted, abs=5e-5)
