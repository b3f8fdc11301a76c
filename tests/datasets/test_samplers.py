"""How often images of different sizes are drawn."""

from itertools import islice

import numpy as np
import pytest
from mmseg.registry import DATA_SAMPLERS
from PIL import Image

from mmseg_universeg.datasets import samplers
from mmseg_universeg.datasets.samplers import ImageSizeSampler, count_pixels


class Files:
    """As much of a data set as a sampler asks for."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return dict(img_path=str(self.paths[index]))


@pytest.fixture
def files(tmp_path):
    """Images of 100, 400 and 1600 pixels."""
    paths = []
    for number, size in enumerate([(10, 10), (20, 20), (80, 20)]):
        paths.append(tmp_path / f'{number}.png')
        Image.new('L', size).save(paths[-1])
    return Files(paths)


@pytest.mark.parametrize(
    ('power', 'shares'),
    [(0, [1 / 3] * 3), (0.5, [1 / 7, 2 / 7, 4 / 7]), (1, [1 / 21, 4 / 21, 16 / 21])],
)
def test_shares_are_powers_of_the_number_of_pixels(files, power, shares):
    sampler = DATA_SAMPLERS.build(
        dict(type='ImageSizeSampler', power=power, seed=0),
        default_args=dict(dataset=files),
    )
    drawn = np.bincount(list(islice(sampler, 9000)), minlength=3) / 9000
    np.testing.assert_allclose(drawn, shares, atol=0.02)
    assert len(sampler) == 3


def test_the_seed_alone_decides(files):
    first, again, other = (
        list(islice(ImageSizeSampler(files, seed=seed), 50)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_processes_share_out_the_draws(files, monkeypatch):
    alone = list(islice(ImageSizeSampler(files, seed=3), 40))
    parts = []
    for rank in range(2):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda rank=rank: (rank, 2))
        parts.append(list(islice(ImageSizeSampler(files, seed=3), 20)))
    assert [parts[0], parts[1]] == [alone[::2], alone[1::2]]


def test_what_pillow_does_not_open_is_counted_too(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((3, 7), np.float32))
    assert count_pixels(str(tmp_path / 'a.npy')) == 21


def test_a_broken_image_is_named(tmp_path, files):
    files.paths[1].write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'1\.png'):
        ImageSizeSampler(files)
    files.paths[1].unlink()
    with pytest.raises(FileNotFoundError, match=r'1\.png'):
        ImageSizeSampler(files)


def test_power_is_checked(files):
    with pytest.raises(ValueError, match='power must be from 0 to 1, found 2'):
        ImageSizeSampler(files, power=2)
