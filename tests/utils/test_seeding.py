"""Seeding of single items."""

import random
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from mmseg_universeg.utils import SupportSize, seeded


def _draw(seed: int, idx: int) -> tuple[float, float, float]:
    with seeded(seed, idx) as rng:
        return float(rng.random()), float(np.random.rand()), random.random()


def test_depends_on_seed_and_index_alone():
    first = _draw(3, 7)
    np.random.seed(0)
    random.seed(0)
    assert _draw(3, 7) == first
    others = [_draw(3, 8), _draw(4, 7), _draw(7, 3)]
    assert all(a != b for other in others for a, b in zip(first, other))


def test_restores_the_global_states_even_after_an_error():
    np.random.seed(5)
    random.seed(5)
    expected = np.random.rand(), random.random()
    np.random.seed(5)
    random.seed(5)
    with pytest.raises(RuntimeError), seeded(0, 0):
        np.random.rand()
        random.random()
        raise RuntimeError
    assert (np.random.rand(), random.random()) == expected


def test_items_of_neighbouring_indices_are_uncorrelated():
    draws = np.array([_draw(0, idx) for idx in range(2000)])
    assert np.abs(draws.mean(0) - 0.5).max() < 0.03
    correlations = np.corrcoef(np.hstack([draws[:-1], draws[1:]]).T)
    assert np.abs(correlations - np.eye(6)).max() < 0.1


def test_support_size_is_shared_by_a_batch_and_uniform():
    size = SupportSize((2, 5), seed=1, batch_size=3, length=6000)
    drawn = np.array([size(idx) for idx in range(6000)]).reshape(-1, 3)
    assert (drawn == drawn[:, :1]).all()
    counts = Counter(drawn[:, 0].tolist())
    assert sorted(counts) == [2, 3, 4, 5]
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_refuses_a_negative_seed():
    with pytest.raises(ValueError, match='found 1, 10 and -1'):
        SupportSize(1, -1, 1, 10)


def test_fixed_support_size():
    size = SupportSize(16, seed=1, batch_size=3, length=10)
    assert {size(idx) for idx in range(10)} == {16}
    assert (size.lowest, size.highest) == (16, 16)


@pytest.mark.parametrize(
    ('support_size', 'batch_size', 'length', 'message'),
    [
        (0, 1, 10, 'found 0'),
        ((3, 2), 1, 10, r'found \(3, 2\)'),
        ((1, 2, 3), 1, 10, r'found \(1, 2, 3\)'),
        (1, 0, 10, 'found 0, 10 and 0'),
        (1, 1, 0, 'found 1, 0 and 0'),
        ((1, 2), 4, 10, 'length=10 must be a multiple of batch_size=4'),
    ],
)
def test_refuses_what_cannot_be(support_size, batch_size, length, message):
    with pytest.raises(ValueError, match=message):
        SupportSize(support_size, 0, batch_size, length)
