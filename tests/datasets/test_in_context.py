"""Episodes from ordinary data sets, drawn from small files."""

import pickle
import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from scipy.stats import chisquare

from mmseg_universeg.datasets import InContextDataset

AUGMENT = [
    dict(
        type='AugmentEach',
        transforms=[
            dict(type='RandomElastic', prob=0.5, alpha=(5, 10), sigma=(2, 3)),
            dict(type='RandomGaussianNoise', prob=0.5),
        ],
    ),
    dict(
        type='AugmentAlike',
        transforms=[
            dict(type='RandomFlip', prob=0.5),
            dict(type='RandomAffineWarp', prob=0.5),
            dict(type='RandomEdgeLabels', prob=0.2),
            dict(type='RandomFlipLabels', prob=0.5),
        ],
    ),
    dict(type='PackEpisodeInputs'),
]


class Count(BaseTransform):
    """Counts how often each image is decoded."""

    def __init__(self) -> None:
        self.calls = Counter()

    def transform(self, results: dict) -> dict:
        self.calls[results['img_path']] += 1
        return results


class Drawn:
    """A source of tasks of its own."""

    def __init__(self) -> None:
        self.wanted = []

    def draw_task(self, rng: np.random.Generator, num_images: int) -> list[dict]:
        self.wanted.append(num_images)
        return [
            dict(img_path=f'drawn{index}', value=float(rng.random()))
            for index in range(num_images)
        ]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.fixture
def make_set(tmp_path):
    """Write images and label maps, and give the data set's config."""

    def make(
        holders: dict[str, list[int]],
        count: int,
        name: str = 'set',
        size: int = 32,
        transforms: tuple = (),
    ) -> dict:
        root = tmp_path / name
        for folder in ('img', 'seg'):
            (root / folder).mkdir(parents=True)
        rng = np.random.default_rng(len(name))
        for index in range(count):
            seg = np.zeros((20, 24), np.uint8)
            for label, indices in enumerate(holders.values(), 1):
                if index in indices:
                    left = 4 + 6 * label + int(rng.integers(-2, 2))
                    seg[5 + index % 5 : 14, left : left + 5] = label
            img = seg * 60 + rng.integers(0, 40, seg.shape)
            cv2.imwrite(str(root / f'img/{index:02}.png'), img.astype(np.uint8))
            cv2.imwrite(str(root / f'seg/{index:02}.png'), seg)
        return dict(
            type='BaseSegDataset',
            data_root=str(root),
            data_prefix=dict(img_path='img', seg_map_path='seg'),
            img_suffix='.png',
            seg_map_suffix='.png',
            metainfo=dict(classes=('background', *holders)),
            pipeline=[
                dict(type='LoadImageFromFile', color_type='unchanged'),
                dict(type='LoadAnnotations'),
                dict(type='ToGrayscale'),
                dict(type='MinMaxNormalize'),
                dict(type='Resize', scale=(size, size), keep_ratio=False),
                *transforms,
            ],
        )

    return make


def _label_map(img_path: str) -> np.ndarray:
    """The label map of an image, at the working size."""
    path = Path(img_path)
    seg = cv2.imread(str(path.parents[1] / 'seg' / path.name), cv2.IMREAD_UNCHANGED)
    return cv2.resize(seg, (32, 32), interpolation=cv2.INTER_NEAREST)


def _same(first: dict, second: dict) -> bool:
    equal = all(torch.equal(first['inputs'][k], second['inputs'][k]) for k in AS_PACKED)
    samples = first['data_samples'], second['data_samples']
    return (
        equal
        and samples[0].metainfo == samples[1].metainfo
        and torch.equal(samples[0].gt_sem_seg.data, samples[1].gt_sem_seg.data)
    )


AS_PACKED = ('img', 'support_imgs', 'support_masks')


def test_query_and_supports_differ_and_hold_the_class(make_set):
    config = make_set(dict(a=[*range(10)], b=[*range(5, 15)]), 18)
    dataset = InContextDataset([config], [], support_size=(1, 6), length=2000)
    for episode in dataset:
        paths = [image['img_path'] for image in episode['images']]
        assert len(set(paths)) == len(paths)
        label = {'BaseSegDataset/a': 1, 'BaseSegDataset/b': 2}[episode['task']]
        for image in episode['images']:
            assert image['gt_seg_map'].any()
            expected = _label_map(image['img_path']) == label
            np.testing.assert_array_equal(image['gt_seg_map'], expected)


def test_images_are_those_of_the_pipeline_to_256_levels(make_set):
    config = make_set(dict(a=[*range(4)]), 4)
    loaded = {item['img_path']: item['img'] for item in DATASETS.build(config)}
    episode = InContextDataset([config], [], support_size=3)[0]
    for image in episode['images']:
        assert image['img'].dtype == np.float32
        assert image['img'].min() >= 0
        assert image['img'].max() <= 1
        difference = np.abs(image['img'] - loaded[image['img_path']])
        assert difference.max() <= 0.5 / 255 + 1e-6
        assert image['gt_seg_map'].dtype == np.uint8
        assert image['seg_fields'] == ['gt_seg_map']
        assert image['img_shape'] == image['ori_shape'] == (32, 32)


def test_every_image_of_a_task_is_drawn_equally_often(make_set):
    config = make_set(dict(a=[*range(8)]), 12)
    dataset = InContextDataset([config], [], support_size=2, length=1500)
    queries, supports = Counter(), Counter()
    for episode in dataset:
        paths = [image['img_path'] for image in episode['images']]
        queries[paths[0]] += 1
        supports.update(paths[1:])
    assert len(queries) == len(supports) == 8
    assert chisquare(list(queries.values())).pvalue > 1e-3
    assert chisquare(list(supports.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ('weights', 'expected'),
    [
        (None, [1 / 3, 1 / 3, 1 / 3]),
        ([1, 3], [1 / 8, 1 / 8, 3 / 4]),
        ([2, 0], [1 / 2, 1 / 2, 0]),
    ],
)
def test_tasks_are_drawn_by_weight_and_not_by_size(make_set, weights, expected):
    large = make_set(dict(a=[*range(20)], b=[*range(4)]), 20, 'large')
    small = make_set(dict(c=[*range(3)]), 3, 'small')
    dataset = InContextDataset(
        [large, small], [], support_size=2, weights=weights, length=1500
    )
    counts = Counter(episode['task'] for episode in dataset)
    names = ['BaseSegDataset-1/a', 'BaseSegDataset-1/b', 'BaseSegDataset-2/c']
    assert set(counts) <= set(names)
    found = [counts[name] for name, share in zip(names, expected) if share]
    wanted = [1500 * share for share in expected if share]
    assert sum(found) == 1500
    assert chisquare(found, wanted).pvalue > 1e-3


def test_a_batch_shares_its_number_of_supports(make_set):
    config = make_set(dict(a=[*range(8)]), 8)
    dataset = InContextDataset(
        [config], [], support_size=(2, 6), length=120, batch_size=4
    )
    sizes = [len(episode['images']) - 1 for episode in dataset]
    batches = np.reshape(sizes, (-1, 4))
    assert (batches == batches[:, :1]).all()
    assert set(sizes) == {2, 3, 4, 5, 6}


@pytest.mark.parametrize('workers', [0, 2])
def test_items_are_the_same_in_workers_and_in_any_order(make_set, workers):
    config = make_set(dict(a=[*range(6)], b=[*range(6)]), 6)
    options = dict(support_size=(2, 4), batch_size=2, length=24)
    dataset = InContextDataset([config], AUGMENT, **options)
    backwards = {idx: dataset[idx] for idx in reversed(range(24))}
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=workers,
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
            dataset=InContextDataset([config], AUGMENT, **options),
        )
    )
    for batch, data in zip(range(13), loader):
        for place in range(2):
            item = dict(
                inputs={key: data['inputs'][key][place] for key in AS_PACKED},
                data_samples=data['data_samples'][place],
            )
            # After the last item comes the first one again.
            assert _same(item, backwards[(2 * batch + place) % 24])


def test_travels_to_spawned_workers(make_set):
    config = make_set(dict(a=[*range(6)]), 6)
    dataset = InContextDataset([config], AUGMENT, support_size=3)
    copy = pickle.loads(pickle.dumps(dataset))
    assert all(_same(dataset[idx], copy[idx]) for idx in range(5))


def test_seeds_differ_and_global_states_stay(make_set):
    config = make_set(dict(a=[*range(6)]), 6)
    first = InContextDataset([config], AUGMENT, support_size=3, seed=0)
    second = InContextDataset([config], AUGMENT, support_size=3, seed=1)
    np.random.seed(4)
    random.seed(4)
    expected = np.random.rand(), random.random()
    np.random.seed(4)
    random.seed(4)
    assert not any(_same(first[idx], second[idx]) for idx in range(5))
    assert not _same(first[0], first[1])
    assert (np.random.rand(), random.random()) == expected


def test_share_of_images_without_the_class(make_set):
    config = make_set(dict(a=[*range(20)]), 40)
    dataset = InContextDataset(
        [config], [], support_size=8, empty_share=0.3, length=500
    )
    held = np.array(
        [[image['gt_seg_map'].any() for image in item['images']] for item in dataset]
    )
    assert held[:, 0].mean() == pytest.approx(0.7, abs=0.06)
    # One support of the eight always holds it.
    assert held[:, 1:].mean() == pytest.approx(1 - 0.3 * 7 / 8, abs=0.03)
    assert held[:, 1:].any(1).all()
    # Which one is not always the same.
    assert (held[:, 1:].mean(0) < 0.85).all()
    for item in dataset:
        paths = [image['img_path'] for image in item['images']]
        assert len(set(paths)) == len(paths)


def test_a_large_share_still_leaves_a_support_with_the_class(make_set):
    config = make_set(dict(a=[*range(3)]), 6)
    dataset = InContextDataset(
        [config], [], support_size=2, empty_share=0.95, length=200
    )
    for item in dataset:
        assert any(image['gt_seg_map'].any() for image in item['images'][1:])


def test_where_every_image_holds_the_class_the_share_is_none(make_set):
    config = make_set(dict(a=[*range(6)]), 6)
    dataset = InContextDataset([config], [], 5, empty_share=0.5, length=20)
    for item in dataset:
        assert all(image['gt_seg_map'].any() for image in item['images'])


def test_images_with_too_few_pixels_are_not_used(make_set):
    config = make_set(dict(a=[*range(6)]), 8)
    for index in (0, 1):
        path = str(Path(config['data_root']) / f'seg/{index:02}.png')
        seg = np.zeros((20, 24), np.uint8)
        seg[10, 10:12] = 1
        cv2.imwrite(path, seg)
    dataset = InContextDataset(
        [config], [], support_size=3, min_pixels=20, empty_share=0.5, length=100
    )
    names = {Path(i['img_path']).stem for item in dataset for i in item['images']}
    assert names == {'02', '03', '04', '05', '06', '07'}


def test_ignored_pixels_do_not_belong_to_the_class(make_set):
    config = make_set(dict(a=[*range(3)]), 3)
    for path in (Path(config['data_root']) / 'seg').iterdir():
        seg = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        seg[:4] = 255
        cv2.imwrite(str(path), seg)
    for image in InContextDataset([config], [], support_size=2)[0]['images']:
        expected = _label_map(image['img_path']) == 1
        np.testing.assert_array_equal(image['gt_seg_map'], expected)


def test_background_is_a_task_only_if_asked_for(make_set):
    config = make_set(dict(a=[*range(4)]), 4)
    tasks = {
        flag: [task.name for task in dataset.tasks]
        for flag in (False, True)
        for dataset in [InContextDataset([config], [], 2, with_background=flag)]
    }
    assert tasks[False] == ['BaseSegDataset/a']
    assert tasks[True] == ['BaseSegDataset/background', 'BaseSegDataset/a']


def test_a_source_of_tasks_is_one_task(make_set):
    config, drawn = make_set(dict(a=[*range(4)]), 4), Drawn()
    dataset = InContextDataset([config, drawn], [], (1, 3), length=300)
    episodes = [item for item in dataset if item['task'] == 'Drawn']
    assert 110 < len(episodes) < 190
    assert drawn.wanted == [len(item['images']) for item in episodes]
    values = {image['value'] for item in episodes for image in item['images']}
    assert len(values) == sum(drawn.wanted)


def test_synthetic_tasks_beside_files(make_set):
    config = make_set(dict(a=[*range(4)]), 4)
    synthetic = dict(type='SyntheticTasksDataset', image_size=(32, 32))
    dataset = InContextDataset([config, synthetic], AUGMENT, 3, weights=[1, 1])
    tasks = {dataset[idx]['data_samples'].task for idx in range(12)}
    assert 'BaseSegDataset/a' in tasks
    assert len(tasks) > 1


@pytest.mark.parametrize(('cache_mb', 'kept'), [(1, 6), (0, 0), (4 * 2048 / 2**20, 4)])
def test_images_are_decoded_once_within_the_bound(make_set, cache_mb, kept):
    config = make_set(dict(a=[*range(6)]), 6)
    expected = InContextDataset([config], AUGMENT, support_size=3)
    count = Count()
    config['pipeline'].append(count)
    dataset = InContextDataset([config], AUGMENT, support_size=3, cache_mb=cache_mb)
    assert set(count.calls.values()) == {1}
    assert dataset.tasks[0].source.num_bytes == kept * 2 * 32 * 32
    assert all(_same(dataset[idx], expected[idx]) for idx in range(20))
    assert sum(calls == 1 for calls in count.calls.values()) == kept


def test_lazy_until_needed(make_set):
    count = Count()
    config = make_set(dict(a=[*range(4)]), 4, transforms=(count,))
    config['lazy_init'] = True
    dataset = InContextDataset([config], [], support_size=2, length=7, lazy_init=True)
    assert (len(dataset), count.calls) == (7, {})
    dataset.full_init()
    dataset.full_init()
    assert set(count.calls.values()) == {1}
    assert dataset.metainfo['classes'] == ('background', 'foreground')


def test_a_registered_data_set_of_built_ones(make_set):
    built = DATASETS.build(make_set(dict(a=[*range(4)]), 4))
    config = dict(type='InContextDataset', datasets=[built], pipeline=AUGMENT)
    dataset = DATASETS.build(dict(config, support_size=3, length=2))
    assert dataset[1]['inputs']['support_imgs'].shape == (3, 1, 32, 32)
    with pytest.raises(IndexError):
        dataset[2]


def test_names_the_class_that_no_image_holds(make_set):
    config = make_set(dict(a=[*range(4)], b=[]), 4)
    with pytest.raises(ValueError, match=r"BaseSegDataset: none of 4 images.*'b'"):
        InContextDataset([config], [], support_size=2)


def test_names_the_class_with_too_few_images(make_set):
    config = make_set(dict(a=[*range(9)], b=[*range(4)]), 9)
    message = r"only 4 of 9 images.*'b'.* 4 supports and a query needs 5"
    with pytest.raises(ValueError, match=message):
        InContextDataset([config], [], support_size=(1, 4))
    InContextDataset([config], [], support_size=(1, 3))


@pytest.mark.parametrize(
    ('transforms', 'message'),
    [
        ([], r'size \(20, 24\).*add Resize'),
        ([dict(type='Resize', scale=(32, 32))], None),
    ],
)
def test_all_images_have_one_size(make_set, transforms, message):
    config = make_set(dict(a=[*range(4)]), 4)
    config['pipeline'] = config['pipeline'][:4] + transforms
    path = Path(config['data_root'])
    for folder in ('img', 'seg'):
        file = str(path / folder / '02.png')
        cv2.imwrite(file, np.pad(cv2.imread(file, cv2.IMREAD_UNCHANGED), 3))
    if message is None:
        InContextDataset([config], [], support_size=2)
    else:
        with pytest.raises(ValueError, match=rf'02\.png: image \(26, 30\).*{message}'):
            InContextDataset([config], [], support_size=2)


@pytest.mark.parametrize(
    ('left_out', 'message'),
    [
        ('MinMaxNormalize', 'must lie in .0, 1.*add MinMaxNormalize'),
        ('ToGrayscale', r'found shape \(32, 32, 3\).*add ToGrayscale'),
    ],
)
def test_names_images_of_another_form(make_set, left_out, message):
    config = make_set(dict(a=[*range(3)]), 3)
    config['pipeline'] = [t for t in config['pipeline'] if t['type'] != left_out]
    config['pipeline'][0] = dict(type='LoadImageFromFile')
    with pytest.raises(ValueError, match=rf'00\.png: .*{message}'):
        InContextDataset([config], [], support_size=2)


def test_names_label_maps_with_other_values(make_set):
    config = make_set(dict(a=[0, 1, 2, 3], b=[1]), 4)
    config['metainfo'] = dict(classes=('background', 'a'))
    with pytest.raises(ValueError, match=r'01\.png: .*0 to 1 or 255, found \[2\]'):
        InContextDataset([config], [], support_size=2)


def test_an_empty_data_set(make_set):
    # MMEngine cannot serialise nothing.
    config = dict(make_set(dict(a=[]), 0), serialize_data=False)
    with pytest.raises(ValueError, match='BaseSegDataset: the data set has no image'):
        InContextDataset([config], [], support_size=2)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(weights=[1, 1]), 'weights must be 1 numbers'),
        (dict(weights=[0]), 'weights must be 1 numbers'),
        (dict(weights=[-1]), 'weights must be 1 numbers'),
        (dict(empty_share=1), r'empty_share .*\[0, 1\), found 1'),
        (dict(min_pixels=0), 'min_pixels must be at least 1, found 0'),
        (dict(support_size=0), 'support_size .* found 0'),
        (dict(support_size=(1, 3), batch_size=3, length=100), 'multiple of batch_size'),
        (dict(datasets=[]), 'at least one data set'),
    ],
)
def test_refuses_arguments_that_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        InContextDataset(**{'datasets': [Drawn()], 'pipeline': [], **wrong})


LOAD = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
]


@pytest.mark.usefixtures('data_root')
def test_real_data_sets():
    """White blood cells and hearts, three classes of the one and two of the other."""
    dataset = InContextDataset(
        [
            dict(
                type='WBCDataset', folder='Dataset 2', stray='background', pipeline=LOAD
            ),
            dict(type='ACDCSlicesDataset', split='test', pipeline=LOAD),
        ],
        AUGMENT,
        support_size=16,
        weights=[1, 1],
        empty_share=0.1,
        length=60,
    )
    assert len(dataset.tasks) == 5
    drawn = set()
    for item in dataset:
        inputs, sample = item['inputs'], item['data_samples']
        drawn.add(sample.task)
        assert inputs['support_imgs'].shape == (16, 1, 64, 64)
        assert inputs['support_imgs'].min() >= 0
        assert inputs['support_imgs'].max() <= 1
        assert inputs['support_masks'].unique().tolist() == [0, 1]
        assert sample.gt_sem_seg.data.shape == (1, 64, 64)
    assert len(drawn) == 5
