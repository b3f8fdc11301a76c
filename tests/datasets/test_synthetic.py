"""SyntheticTasksDataset: reproducible, valid and varied drawn tasks."""

from collections import defaultdict

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS
from scipy.stats import ks_2samp
from torch.utils.data import DataLoader

from mmseg_universeg import config_path
from mmseg_universeg.datasets import SyntheticTasksDataset, synthetic
from mmseg_universeg.datasets.drawing import (
    CUES,
    FAMILIES,
    HARDER_FAMILIES,
    Appearance,
    Changes,
    Look,
    Scene,
    draw_look,
    render,
)
from mmseg_universeg.datasets.drawing.appearance import draw_texture
from mmseg_universeg.datasets.drawing.fields import Pose, deform, smooth_fields
from mmseg_universeg.datasets.drawing.shapes import (
    Canvas,
    blob_outlines,
    clear_of_earlier,
    grow_tree,
    voronoi,
)


def look_of(rng, labels, num_labels):
    """The look of label maps whose label 1 is to be found."""
    scene = Scene(lambda rng, num: labels, [1.0] * num_labels)
    return draw_look(rng, labels, 1, scene, Appearance(), Changes())


PACK = [dict(type='PackEpisodeInputs')]
NUM_TASKS = 400
OPTIONS = ('families', 'appearance', 'changes', 'acquisition')


@pytest.fixture(scope='module')
def every_kind():
    """The options of the tasks on which the weights that ship are trained."""
    cfg = Config.fromfile(config_path('_base_/datasets/drawn-tasks.py'))
    return {name: cfg[name] for name in OPTIONS}


@pytest.fixture(scope='module', params=['simple', 'every kind'])
def kind(request):
    return request.param


@pytest.fixture(scope='module')
def tasks(kind, request):
    """Several hundred tasks of four small images."""
    options = request.getfixturevalue('every_kind') if kind == 'every kind' else {}
    dataset = SyntheticTasksDataset(
        image_size=(48, 48), support_size=3, length=NUM_TASKS, **options
    )
    return [dataset[idx] for idx in range(NUM_TASKS)]


def _arrays(episode):
    images = episode['images']
    return (
        np.stack([image['img'] for image in images]),
        np.stack([image['gt_seg_map'] for image in images]),
    )


def test_values_are_in_range_and_no_mask_is_empty_or_full(tasks):
    for episode in tasks:
        imgs, masks = _arrays(episode)
        assert imgs.shape == masks.shape == (4, 48, 48)
        assert imgs.dtype == np.float32
        assert masks.dtype == np.uint8
        assert np.array_equal(imgs.min((1, 2)), np.zeros(4))
        assert np.array_equal(imgs.max((1, 2)), np.ones(4))
        assert set(np.unique(masks)) == {0, 1}
        shares = masks.mean((1, 2))
        assert shares.min() >= 0.005
        assert shares.max() <= 0.8
        for image in episode['images']:
            assert image['img_shape'] == image['ori_shape'] == (48, 48)
            assert image['seg_fields'] == ['gt_seg_map']


def test_every_family_and_cue_occurs(tasks, kind):
    found = [episode['task'].split('-') for episode in tasks]
    families = [*FAMILIES, *(HARDER_FAMILIES if kind == 'every kind' else ())]
    assert {family for family, _ in found} == {f.__name__ for f in families}
    assert {cue for _, cue in found} == set(CUES)


def test_no_two_tasks_or_images_are_alike(tasks):
    masks = {_arrays(episode)[1][0].tobytes() for episode in tasks}
    assert len(masks) == NUM_TASKS
    for episode in tasks:
        imgs, _ = _arrays(episode)
        for other in range(1, 4):
            assert np.abs(imgs[0] - imgs[other]).mean() > 0.005
    names = [image['img_path'] for episode in tasks for image in episode['images']]
    assert len(set(names)) == len(names)


def test_masks_of_one_task_vary(tasks):
    same = [np.array_equal(*_arrays(episode)[1][:2]) for episode in tasks]
    assert np.mean(same) < 0.02


def test_image_shows_the_mask(tasks):
    """Intensities in and out of the mask differ where intensity decides."""
    statistics = defaultdict(list)
    for episode in tasks:
        cue = episode['task'].split('-')[1]
        for img, mask in zip(*_arrays(episode)):
            inside, outside = img[mask == 1], img[mask == 0]
            distance = ks_2samp(inside, outside, method='asymp').statistic
            statistics[cue].append(distance)
    intensity = np.array(statistics['intensity'])
    assert np.median(intensity) > 0.5
    assert np.mean(intensity < 0.1) < 0.03
    # Looks shared with other labels show less of the mask.
    assert np.median(statistics['place']) < np.median(intensity)


def test_one_seed_gives_one_task_whatever_was_drawn_before(every_kind):
    first, second, other = (
        SyntheticTasksDataset(
            image_size=(32, 32), support_size=2, seed=seed, **every_kind
        )
        for seed in (3, 3, 4)
    )
    forward = [first[idx] for idx in range(12)]
    np.random.seed(1)
    backward = [second[idx] for idx in reversed(range(12))][::-1]
    for idx, (a, b) in enumerate(zip(forward, backward)):
        assert a['task'] == b['task']
        assert a['images'][0]['img_path'] == b['images'][0]['img_path']
        for x, y, z in zip(_arrays(a), _arrays(b), _arrays(other[idx])):
            assert np.array_equal(x, y)
            assert not np.array_equal(x, z)


def test_items_leave_the_global_random_state_alone():
    dataset = SyntheticTasksDataset(image_size=(32, 32), support_size=1)
    np.random.seed(0)
    expected = np.random.rand(3)
    np.random.seed(0)
    dataset[5]
    assert np.array_equal(np.random.rand(3), expected)


def test_worker_processes_draw_the_same_batches(every_kind):
    dataset = SyntheticTasksDataset(
        **every_kind,
        pipeline=PACK,
        image_size=(32, 48),
        support_size=(2, 6),
        seed=7,
        length=12,
        batch_size=2,
    )

    def batches(num_workers):
        return list(
            DataLoader(
                dataset,
                batch_size=2,
                num_workers=num_workers,
                collate_fn=pseudo_collate,
            )
        )

    for here, there in zip(batches(0), batches(2), strict=True):
        for key in ('img', 'support_imgs', 'support_masks'):
            for a, b in zip(here['inputs'][key], there['inputs'][key], strict=True):
                assert torch.equal(a, b)
        for a, b in zip(here['data_samples'], there['data_samples'], strict=True):
            assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)
            assert a.task == b.task


def test_support_size_is_shared_by_a_batch():
    dataset = SyntheticTasksDataset(
        image_size=(16, 16), support_size=(1, 8), length=96, batch_size=4
    )
    sizes = np.array([len(dataset[i]['images']) - 1 for i in range(96)]).reshape(-1, 4)
    assert np.array_equal(sizes.min(1), sizes.max(1))
    assert sizes.min() >= 1
    assert sizes.max() <= 8
    assert len(np.unique(sizes)) >= 5


def test_is_a_registered_dataset_with_pipeline_and_metainfo():
    dataset = DATASETS.build(
        dict(
            type='SyntheticTasksDataset',
            image_size=[32, 40],
            support_size=4,
            length=3,
            pipeline=PACK,
        )
    )
    assert len(dataset) == len(list(dataset)) == 3
    assert dataset.metainfo['classes'] == ('background', 'foreground')
    inputs, sample = dataset[0]['inputs'], dataset[0]['data_samples']
    assert inputs['img'].shape == (1, 32, 40)
    assert inputs['support_masks'].shape == (4, 1, 32, 40)
    assert set(sample.gt_sem_seg.data.unique().tolist()) == {0, 1}
    assert sample.task.split('-')[0] in {f.__name__ for f in FAMILIES}
    with pytest.raises(IndexError, match='index 3 of 3'):
        dataset[3]


def test_draw_task_serves_other_data_sets():
    dataset = SyntheticTasksDataset(image_size=(24, 24))
    drawn = [dataset.draw_task(np.random.default_rng(1), 5) for _ in range(2)]
    assert len(drawn[0]) == 5
    for a, b in zip(*drawn):
        assert np.array_equal(a['img'], b['img'])


# Of three tasks of every family: the cue, the mean of the images, and the areas of the
# masks. What is drawn for a seed is part of what a training can be repeated by.
RECORDED = {
    'regions': [
        ('intensity', 0.4608, [355, 269, 314]),
        ('intensity', 0.3731, [523, 420, 441]),
        ('intensity', 0.6462, [963, 1251, 1052]),
    ],
    'cells': [
        ('intensity', 0.278, [1431, 1489, 1362]),
        ('intensity', 0.6394, [138, 62, 107]),
        ('intensity', 0.5761, [260, 333, 408]),
    ],
    'blobs': [
        ('intensity', 0.5428, [26, 28, 26]),
        ('texture', 0.2942, [183, 125, 96]),
        ('place', 0.2027, [100, 80, 83]),
    ],
    'ringed': [
        ('intensity', 0.4162, [284, 245, 236]),
        ('intensity', 0.6108, [178, 220, 223]),
        ('intensity', 0.7106, [289, 257, 295]),
    ],
    'nested': [
        ('intensity', 0.327, [840, 810, 1063]),
        ('intensity', 0.1615, [1293, 1507, 1706]),
        ('intensity', 0.4009, [660, 643, 511]),
    ],
    'anatomy': [
        ('place', 0.34, [77, 63, 119]),
        ('place', 0.2217, [41, 75, 38]),
        ('place', 0.4193, [130, 138, 181]),
    ],
    'lesion': [
        ('intensity', 0.306, [62, 58, 59]),
        ('intensity', 0.5497, [59, 40, 52]),
        ('intensity', 0.2792, [30, 26, 28]),
    ],
    'layers': [
        ('place', 0.1469, [94, 71, 63]),
        ('texture', 0.4057, [888, 1038, 942]),
        ('place', 0.4975, [639, 564, 745]),
    ],
    'instances': [
        ('intensity', 0.4446, [310, 187, 171]),
        ('intensity', 0.5256, [417, 397, 199]),
        ('intensity', 0.5836, [508, 461, 551]),
    ],
    'lookalikes': [
        ('place', 0.6641, [450, 260, 311]),
        ('place', 0.5861, [134, 82, 150]),
        ('place', 0.4255, [146, 142, 58]),
    ],
    'packed': [
        ('intensity', 0.1161, [130, 262, 144]),
        ('intensity', 0.3309, [260, 314, 140]),
        ('intensity', 0.5457, [155, 158, 151]),
    ],
    'membranes': [
        ('intensity', 0.3105, [1419, 1160, 1160]),
        ('intensity', 0.2473, [670, 776, 771]),
        ('intensity', 0.2893, [567, 670, 733]),
    ],
    'vessels': [
        ('intensity', 0.4469, [453, 438, 482]),
        ('intensity', 0.5146, [296, 17, 39]),
        ('intensity', 0.3191, [433, 528, 499]),
    ],
    'fine_vessels': [
        ('place', 0.3894, [24, 30, 24]),
        ('place', 0.5341, [176, 226, 252]),
        ('intensity', 0.3915, [265, 206, 173]),
    ],
}


@pytest.mark.parametrize('family', RECORDED)
def test_what_is_drawn_stays_the_same(family, every_kind):
    dataset = SyntheticTasksDataset(
        image_size=(48, 48),
        support_size=2,
        seed=1,
        **{**every_kind, 'families': {family: 1.0}},
    )
    for idx, (cue, mean, areas) in enumerate(RECORDED[family]):
        episode = dataset[idx]
        imgs, masks = _arrays(episode)
        assert episode['task'] == f'{family}-{cue}'
        assert masks.sum((1, 2)).tolist() == areas
        assert imgs.mean() == pytest.approx(mean, abs=2e-3)


def test_every_family_of_the_config_is_recorded(every_kind):
    known = {family.__name__ for family in (*FAMILIES, *HARDER_FAMILIES)}
    assert set(every_kind['families']) == set(RECORDED) == known


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(support_size=0), 'support_size .* found 0'),
        (dict(support_size=(4, 2)), r'support_size .* found \(4, 2\)'),
        (dict(image_size=(0, 64)), r'image_size .* found \(0, 64\)'),
        (dict(image_size=(64, -64)), r'image_size .* found \(64, -64\)'),
        (dict(image_size=64), 'image_size .* found 64'),
        (dict(length=0), 'length must be at least 1|length .* found .*0'),
        (dict(batch_size=0), 'batch_size'),
        (dict(seed=-1), 'seed must be at least 0, found -1'),
    ],
)
def test_bad_parameters(values, message):
    with pytest.raises(ValueError, match=message):
        SyntheticTasksDataset(**values)


@pytest.mark.parametrize(
    'family', [*FAMILIES, *HARDER_FAMILIES], ids=lambda family: family.__name__
)
def test_family_draws_valid_label_maps(family):
    rng = np.random.default_rng(0)
    usable = 0
    for _ in range(10):
        scene = family(rng, (40, 56), Changes())
        labels = scene.draw(rng, 3)
        assert labels.shape == (3, 40, 56)
        assert labels.dtype == np.uint8
        assert labels.max() < len(scene.chances)
        usable += len(np.unique(labels)) > 1
    assert usable >= 8


def test_scenes_without_foreground_end_in_a_disc(monkeypatch):
    def nothing(rng, size, changes):
        return Scene(lambda _, num: np.zeros((num, *size), np.uint8), [1.0, 1.0])

    monkeypatch.setattr(synthetic, 'FAMILIES', {nothing: 1.0})
    images = SyntheticTasksDataset(image_size=(32, 48), support_size=2)[0]['images']
    assert images[0]['task'] == 'disc-intensity'
    for image in images:
        # Of the pixel centres at odd multiples of 0.5, 208 lie within radius 8.
        assert image['gt_seg_map'].sum() == 208


def test_images_without_foreground_repeat_the_first_label_map(monkeypatch):
    def once(rng, size, changes):
        reference = np.zeros(size, np.uint8)
        reference[4:12, 5:20] = 1
        first = [True]

        def draw(rng, num_images):
            labels = np.zeros((num_images, *size), np.uint8)
            if first:
                first.clear()
                labels[0] = reference
            return labels

        return Scene(draw, [0.0, 1.0])

    monkeypatch.setattr(synthetic, 'FAMILIES', {once: 1.0})
    images = SyntheticTasksDataset(image_size=(32, 32), support_size=2)[0]['images']
    for image in images:
        assert image['gt_seg_map'].sum() == 8 * 15
        assert image['gt_seg_map'][4:12, 5:20].all()


def test_render_gives_labels_their_intensities():
    """Without noise and the like only the means are left, scaled to [0, 1]."""
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, :, 10:] = 1
    labels[:, :, 20:] = 2
    plain = dict(jitter=0.0, rim=0.0, blur=0.1, bias=0.0, noise=0.0, gamma=1.0)
    zeros = np.zeros(3)
    rng = np.random.default_rng(0)
    look = look_of(rng, labels, 3)
    look = type(look)(
        **{
            **vars(look),
            **plain,
            'means': np.array([0.2, 0.3, 0.6]),
            'grain': zeros,
            'shading': zeros,
            'invert': False,
        }
    )
    images = render(rng, labels, look)
    for column, value in ((4, 0.0), (15, 0.25), (28, 1.0)):
        assert images[:, :, column] == pytest.approx(value, abs=1e-5)


def test_render_gives_labels_their_shading_and_texture():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (3, 24, 32)).astype(np.uint8)
    look = Look(
        cue='intensity',
        means=np.array([0.2, 0.4, 0.6, 0.9]),
        jitter=np.array([0.0, 0.1, 0.2, 0.0]),
        textures=[draw_texture(rng, (48, 64), 6.0) for _ in range(3)],
        pattern=np.array([0, 2, 2, 1]),
        grain=np.array([0.1, 0.2, 0.3, 0.0]),
        shading=np.array([0.0, 0.1, 0.2, 0.3]),
        rim=-0.2,
        blur=0.8,
        bias=0.3,
        noise=0.05,
        gamma=1.3,
        invert=True,
        foreground=1,
        faint=0.0,
    )
    images = render(np.random.default_rng(0), labels, look)
    patterns = [texture.pattern((48, 64)) for texture in look.textures]
    rng = np.random.default_rng(0)
    slow = smooth_fields(rng, 6, (24, 32), 2.5)
    jitter = rng.normal(0, look.jitter, (3, 4))
    noise = 0.05 * rng.standard_normal((3, 24, 32), dtype=np.float32)
    for n, label in enumerate(labels):
        top, left = rng.integers(0, 25), rng.integers(0, 33)
        wanted = np.zeros((24, 32), np.float32)
        for y, x in np.ndindex(24, 32):
            k = label[y, x]
            grain = patterns[look.pattern[k]][top + y, left + x]
            wanted[y, x] = look.means[k] + jitter[n, k]
            wanted[y, x] += look.shading[k] * slow[2 * n, y, x] + look.grain[k] * grain
            if k != label[max(y - 1, 0), x] or k != label[y, max(x - 1, 0)]:
                wanted[y, x] -= 0.2
        wanted = cv2.GaussianBlur(wanted, (0, 0), 0.8 * rng.uniform(0.8, 1.25))
        wanted = wanted * np.exp(0.3 * slow[2 * n + 1]) + noise[n]
        wanted = (wanted - wanted.min()) / np.ptp(wanted)
        assert np.allclose(images[n], 1 - wanted**1.3, rtol=0, atol=1e-5)


def test_place_needs_a_label_that_does_not_touch():
    halves = np.zeros((1, 32, 32), np.uint8)
    halves[:, :, 16:] = 1
    rng = np.random.default_rng(0)
    cues = {look_of(rng, halves, 2).cue for _ in range(60)}
    assert cues == {'intensity', 'texture'}


def test_foreground_shares_its_intensity_only_with_labels_elsewhere():
    labels = np.zeros((1, 48, 48), np.uint8)
    labels[:, 4:20, 4:20] = 1
    labels[:, 28:44, 28:44] = 2
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(80):
        look = look_of(rng, labels, 3)
        seen.add(look.cue)
        to_ground = abs(look.means[1] - look.means[0])
        to_other = abs(look.means[1] - look.means[2])
        if look.cue == 'place':
            assert to_other == 0
            assert to_ground >= 0.0799
        elif look.cue == 'intensity':
            assert min(to_ground, to_other) >= 0.0799
        else:
            assert look.grain[1] >= 0.15
            assert look.pattern[1] != look.pattern[0]
    assert seen == set(CUES)


def test_smooth_fields_have_unit_deviation_and_the_wanted_scale():
    rng = np.random.default_rng(0)
    coarse = smooth_fields(rng, 40, (64, 96), 3)
    fine = smooth_fields(rng, 40, (64, 96), 16)
    assert coarse.shape == (40, 64, 96)
    assert coarse.dtype == np.float32
    for fields in (coarse, fine):
        assert fields.std() == pytest.approx(1, abs=0.1)
        assert fields.mean() == pytest.approx(0, abs=0.15)
    slope = [np.abs(np.diff(fields)).mean() for fields in (coarse, fine)]
    assert slope[1] / slope[0] == pytest.approx(16 / 3, rel=0.2)


@pytest.mark.parametrize('shape', [(64, 64), (48, 80), (307, 307)])
@pytest.mark.parametrize('cells', [1.5, 2.5, 6.0, 40.0])
def test_smooth_fields_are_nodes_that_cv2_upsamples(shape, cells):
    rows, cols = (max(2, round(side * cells / min(shape))) + 2 for side in shape)
    nodes = np.random.default_rng(0).standard_normal((3, rows, cols), np.float32)
    top, left = round(shape[0] / rows), round(shape[1] / cols)
    size = (shape[1] + 2 * left, shape[0] + 2 * top)
    fields = smooth_fields(np.random.default_rng(0), 3, shape, cells)
    for field, node in zip(fields, nodes):
        large = 1.18 * cv2.resize(node, size, interpolation=cv2.INTER_CUBIC)
        wanted = large[top : top + shape[0], left : left + shape[1]]
        assert np.allclose(field, wanted, rtol=0, atol=1e-5)


def test_deform_without_spread_shows_the_middle_of_the_canvas():
    canvas = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    still = Pose(0.0, 0.0, 0.0, 0.0, False, 0.0, 3.0)
    windows = deform(np.random.default_rng(0), canvas, 2, (32, 32), 32, still)
    assert np.array_equal(windows[0], canvas[16:48, 16:48])
    assert np.array_equal(windows[0], windows[1])


def test_blobs_have_the_asked_area():
    canvas = Canvas((200, 300))
    rng = np.random.default_rng(0)
    outlines = blob_outlines(rng, np.array([[0.3, 0.1]]), 0.2, 1.5, 0.0)
    canvas.paint(outlines[0], 3)
    # An ellipse of mean radius 40 pixels about (149.5 + 60, 99.5 + 20).
    ys, xs = np.nonzero(canvas.labels == 3)
    assert len(ys) == pytest.approx(np.pi * 40**2, rel=0.04)
    assert (xs.mean(), ys.mean()) == pytest.approx((209.5, 119.5), abs=0.6)
    assert canvas.mask(outlines).sum() == len(ys)


def test_blobs_are_ellipses_times_a_fourier_series():
    centres, radii = np.array([[0.1, 0.2], [-0.3, 0.0]]), np.array([0.2, 0.1])
    outlines = blob_outlines(np.random.default_rng(0), centres, radii, 1.5, 0.2, 24)
    rng = np.random.default_rng(0)
    amplitudes = rng.normal(0, 0.2, (2, 5)) / np.arange(2, 7) * 2
    phases = rng.uniform(0, 2 * np.pi, (2, 5))
    turns = rng.uniform(0, 2 * np.pi, 2)
    for k in range(2):
        for n in range(24):
            angle = 2 * np.pi * n / 24
            waves = amplitudes[k] * np.cos(np.arange(2, 7) * angle + phases[k])
            radius = radii[k] * max(1 + waves.sum(), 0.3)
            x = radius * np.cos(angle) * np.sqrt(1.5)
            y = radius * np.sin(angle) / np.sqrt(1.5)
            cos, sin = np.cos(turns[k]), np.sin(turns[k])
            turned = np.array([x * cos - y * sin, x * sin + y * cos])
            assert np.allclose(outlines[k, n], centres[k] + turned, atol=1e-12)
    assert blob_outlines(rng, np.zeros((0, 2)), 0.1).shape == (0, 40, 2)


def test_outlines_that_overlap_are_painted_as_one_by_one():
    rng = np.random.default_rng(0)
    outlines = blob_outlines(rng, np.array([[0.0, 0.0], [0.1, 0.0]]), 0.2)
    together, single = Canvas((64, 64)), Canvas((64, 64))
    together.paint(outlines, 3)
    for outline in outlines:
        single.paint(outline, 3)
    assert np.array_equal(together.labels, single.labels)
    assert np.array_equal(together.mask(outlines), together.labels == 3)
    together.paint(outlines[:0], 4)
    assert not (together.labels == 4).any()


def test_clear_of_earlier_looks_at_all_that_come_before():
    centres = np.array([[0, 0], [3, 0], [0, 5], [3, 4.5]])
    # 3 apart where they reach 1 + 2; 5 where 1 + 3; the last is near the third.
    assert clear_of_earlier(centres, np.array([1, 2, 3, 1])).tolist() == [1, 1, 1, 0]
    assert clear_of_earlier(centres, np.array([1, 2.1, 1, 1])).tolist() == [1, 0, 1, 1]
    assert clear_of_earlier(centres[:0], np.zeros(0)).shape == (0,)


def test_voronoi_cells_are_those_of_the_nearest_seed():
    seeds = np.array([[5, 5], [40, 12], [20, 44], [50, 50]])
    cells, from_wall = voronoi((56, 64), seeds)
    ys, xs = np.mgrid[:56, :64]
    squares = (xs[..., None] - seeds[:, 0]) ** 2 + (ys[..., None] - seeds[:, 1]) ** 2
    two = np.sqrt(np.sort(squares, -1)[..., :2])
    clear = two[..., 1] - two[..., 0] > 2  # the distances of cv2 are approximate
    at_seed = cells[seeds[:, 1], seeds[:, 0]]
    assert sorted(at_seed) == [0, 1, 2, 3]
    assert np.array_equal(cells[clear], at_seed[squares.argmin(-1)][clear])
    assert from_wall.min() == 0
    assert from_wall[5, 5] > 10


def test_trees_branch_and_thin_out():
    tree = grow_tree(
        np.random.default_rng(0), np.zeros(2), 0.0, 0.08, 0.05, 0.1, 3.0, 0.02
    )
    assert tree[0][1] == 0.08
    assert len(tree) > 4
    ends = {tuple(path[-1]) for path, _ in tree}
    for path, width in tree[1:]:
        assert 0.02 <= width < 0.08
        assert tuple(path[0]) in ends
    # What lies behind a fork is no thicker in all than what leads to it.
    roots = [
        width for path, width in tree[1:] if np.array_equal(path[0], tree[0][0][-1])
    ]
    assert np.sum(np.square(roots)) <= 0.08**2 + 1e-12


def test_opencv_threads_do_not_change_what_is_drawn(every_kind):
    dataset = SyntheticTasksDataset(image_size=(64, 64), support_size=2, **every_kind)
    threads = cv2.getNumThreads()
    drawn = []
    try:
        for number in (1, 4):
            cv2.setNumThreads(number)
            drawn.append([_arrays(dataset[idx])[0] for idx in range(24)])
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(*drawn)


def test_find_options_gives_those_of_the_first_drawn_tasks():
    drawn = dict(type='SyntheticTasksDataset', families=dict(cells=1.0), seed=3)
    other = dict(type='SyntheticTasksDataset', image_size=(32, 32), length=5)
    several = dict(type='InContextDataset', datasets=[dict(type='A'), drawn, other])
    assert synthetic.find_options(drawn) == dict(families=dict(cells=1.0))
    assert synthetic.find_options(several) == dict(families=dict(cells=1.0))
    assert synthetic.find_options(other) == dict(image_size=(32, 32))
    with pytest.raises(ValueError, match='SyntheticTasksDataset, found A'):
        synthetic.find_options(dict(type='A'))
