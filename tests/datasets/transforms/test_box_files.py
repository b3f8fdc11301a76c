"""Boxes from files: both formats, diameters, and everything that can be wrong."""

import json
import pickle

import numpy as np
import pytest

from mmseg_universeg.datasets.transforms import LoadBoxPrompts

CLASSES = ('background', 'liver', 'lesion')


def results(path='data/images/a.png', size=(40, 60)):
    return dict(img_path=path, img=np.zeros((*size, 3)), ori_shape=size)


@pytest.fixture
def load(tmp_path):
    """Write a file of boxes and make the transform that reads it."""

    def load(content, **options):
        path = tmp_path / 'boxes.json'
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
        return LoadBoxPrompts(str(path), CLASSES, **options)

    return load


def one(**box):
    """A file of one box in one image."""
    return {'a.png': dict(size=[40, 60], boxes=[dict(dict(label='liver'), **box)])}


def coco(**changes):
    content = dict(
        images=[
            dict(id=7, file_name='images/a.png', height=40, width=60),
            dict(id=2, file_name='images/b.png', height=30, width=30),
        ],
        categories=[dict(id=11, name='lesion'), dict(id=5, name='liver')],
        annotations=[
            dict(id=1, image_id=7, category_id=11, bbox=[10, 5, 20.5, 10]),
            dict(id=2, image_id=7, category_id=5, bbox=[0, 0, 60, 40]),
        ],
    )
    return {**content, **changes}


def test_boxes_of_an_image(load):
    boxes = [dict(label='lesion', bbox=[1.5, 2, 30, 40]), dict(label='liver')]
    boxes[1].update(bbox=[0, 0, 60, 39])
    transform = load({'a.png': dict(size=[40, 60], boxes=boxes)})
    out = transform(results())
    assert out['gt_bboxes'].tolist() == [[1.5, 2, 30, 40], [0, 0, 60, 39]]
    assert out['gt_bboxes_labels'].tolist() == [2, 1]
    assert out['gt_bboxes'].dtype == np.float32
    assert out['gt_bboxes_labels'].dtype == np.int64
    # What the pipeline does to a sample must not reach the next epoch.
    out['gt_bboxes'] += 1
    assert transform(results())['gt_bboxes'][0, 0] == 1.5


def test_coco(load):
    transform = pickle.loads(pickle.dumps(load(coco(), file_format='coco')))
    out = transform(results())
    assert out['gt_bboxes'].tolist() == [[10, 5, 30.5, 15], [0, 0, 60, 40]]
    assert out['gt_bboxes_labels'].tolist() == [2, 1]
    out = transform(results('x/images/b.png', (30, 30)))
    assert out['gt_bboxes'].shape == (0, 4)
    assert out['gt_bboxes_labels'].shape == (0,)


def test_folders_tell_files_of_one_name_apart(load):
    images = {
        name: dict(size=[40, 60], boxes=[dict(label='liver', bbox=[x, 0, 9, 9])])
        for name, x in {'a.png': 1, 'train/a.png': 2, 'test/a.png': 3}.items()
    }
    transform = load(images)
    for path, x in {
        '/data/train/a.png': 2,
        'test/a.png': 3,
        'a.png': 1,
        'other/a.png': 1,
    }.items():
        assert transform(results(path))['gt_bboxes'][0, 0] == x


def test_diameters_become_boxes_inside_of_the_image(load):
    # A circle of diameter 26 about (30, 20).
    out = load(one(diameters=[[18, 15], [42, 25]]))(results())
    assert out['gt_bboxes'].tolist() == [[17, 7, 43, 33]]
    out = load(one(diameters=[[2, 20], [22, 20]]))(results())
    assert out['gt_bboxes'].tolist() == [[2, 10, 22, 30]]
    out = load(one(diameters=[[5, 1], [45, 1]]))(results())
    assert out['gt_bboxes'].tolist() == [[5, 0, 45, 21]]
    ends = [[10, 20], [30, 24], [19, 28], [22, 15]]
    assert load(one(diameters=ends))(results())['gt_bboxes'].tolist() == [
        [10, 15, 30, 28]
    ]


@pytest.mark.parametrize(
    ('box', 'message'),
    [
        (dict(bbox=[1, 2, 3, float('nan')]), 'box 0, .* holds NaN'),
        (dict(bbox=[9, 2, 3, 4]), 'is inverted'),
        (dict(bbox=[3, 2, 3, 4]), 'has no area'),
        (dict(bbox=[-3, 2, 3, 4]), 'not inside .* x2 <= 60 and 0 <= y1 < y2 <= 40'),
        (dict(bbox=[300, 160, 480, 240]), r'not inside'),
        (dict(bbox=[1, 2, 3]), r'bbox must be numbers of shape \(4,\), found \[1, 2'),
        (dict(bbox=['1', 'x', 3, 4]), r"bbox must be numbers .*found \['1', 'x'"),
        (dict(bbox=[[1, 2], [3]]), 'bbox must be numbers'),
        (dict(diameters=[1, 2, 3, 4]), r'shape \(2, 2\) or \(4, 2\)'),
        (dict(diameters=[[1, 2], [61, 4]]), 'must end inside of the image'),
        (dict(diameters=[[1, 2], [None, 4]]), 'must end inside of the image'),
        (dict(diameters=[[5, 5], [5, 5]]), 'has no area'),
        (dict(bbox=[1, 2, 3, 4], label='spleen'), "'spleen', wanted .*'liver'"),
    ],
)
def test_wrong_boxes_are_named_when_the_file_is_read(load, box, message):
    with pytest.raises(ValueError, match=rf'boxes\.json: a\.png: .*{message}'):
        load(one(**box))


@pytest.mark.parametrize(
    ('content', 'file_format', 'message'),
    [
        ('{"a.png": ', 'json', 'JSONDecodeError'),
        ([1], 'json', 'AttributeError'),
        ({'a.png': [[1, 2, 3, 4]]}, 'json', 'TypeError'),
        ({'a.png': dict(boxes=[])}, 'json', "KeyError: 'size'"),
        ({'a.png': dict(size=[1, 1], boxes=[{}])}, 'json', "KeyError: 'label'"),
        (one(), 'json', "KeyError: 'bbox'"),
        (one(bbox=[1, 2, 3, 4]), 'coco', "KeyError: 'categories'"),
        (coco(categories=[]), 'coco', 'KeyError: 11'),
        (coco(), 'json', 'TypeError'),
    ],
)
def test_files_of_another_format_are_named(load, content, file_format, message):
    with pytest.raises(
        ValueError, match=rf'boxes\.json: not a file .*{file_format!r} \({message}'
    ):
        load(content, file_format=file_format)


def test_wrong_boxes_in_coco_are_named(load):
    wrong = [dict(image_id=2, category_id=5, bbox=[20, 20, 11, 5])]
    with pytest.raises(ValueError, match=r'images/b\.png: box 0, .* is not inside'):
        load(coco(annotations=wrong), file_format='coco')
    twice = [dict(id=i, file_name='a.png', height=4, width=4) for i in (1, 2)]
    with pytest.raises(ValueError, match=r'boxes\.json: two images have one'):
        load(coco(images=twice, annotations=[]), file_format='coco')


def test_an_image_of_another_scale_is_refused(load):
    transform = load(one(bbox=[1, 2, 3, 4]))
    with pytest.raises(
        ValueError, match=r'a\.png: image of size \(80, 120\).* for one of \(40, 60\)'
    ):
        transform(results(size=(80, 120)))


def test_an_image_that_is_not_in_the_file(load):
    with pytest.raises(KeyError, match=r"b\.png: is not in .* 1 images, as 'a\.png'"):
        load(one(bbox=[1, 2, 3, 4]))(results('data/b.png'))
    with pytest.raises(KeyError, match='is not in'):
        load({})(results())


def test_no_such_file_or_format(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.json: no such file of boxes'):
        LoadBoxPrompts(str(tmp_path / 'none.json'), CLASSES)
    with pytest.raises(ValueError, match=r"one of \['json', 'coco'\], found 'csv'"):
        LoadBoxPrompts('x', CLASSES, file_format='csv')
