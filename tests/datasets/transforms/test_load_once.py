"""Loading each image once."""

import numpy as np
import pytest

from mmseg_universeg.datasets.transforms import LoadOnce


class Reader:
    """Gives images of 16 bytes and counts how often each is read."""

    def __init__(self):
        self.read = []

    def __call__(self, results):
        self.read.append(results['img_path'])
        img = np.full((4, 4), len(self.read), np.uint8)
        return dict(results, img=img, nested=dict(values=[1]))


def test_reads_once_and_gives_what_may_be_changed():
    reader = Reader()
    load = LoadOnce([reader])
    for _ in range(3):
        for number, path in enumerate(['a', 'b'], 1):
            results = load(dict(img_path=path))
            assert (results['img'] == number).all()
            assert results['nested'] == dict(values=[1])
            results['img'][:] = 9
            results['nested']['values'].append(2)
    assert reader.read == ['a', 'b']


def test_what_does_not_fit_is_read_each_time():
    reader = Reader()
    load = LoadOnce([reader], max_mb=40 / 2**20)
    for path in 'abcabc':
        load(dict(img_path=path))
    assert reader.read == ['a', 'b', 'c', 'c']


def test_samples_of_one_image_are_told_apart():
    load = LoadOnce([lambda results: dict(results, label=results['sample_idx'])])
    for index in (0, 1, 0, 1):
        assert load(dict(img_path='a', sample_idx=index))['label'] == index


def test_a_dropped_sample_is_an_error():
    with pytest.raises(ValueError, match=r'case_7.png: a transform .* dropped it'):
        LoadOnce([lambda results: None])(dict(img_path='case_7.png'))
