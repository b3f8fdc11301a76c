"""Folds of groups that hold about as much of each kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_universeg.datasets.splits import stratified_folds

COUNTS = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=2)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.data())
def test_every_group_in_one_fold_and_no_fold_empty(rows, data):
    counts = {f'case{number}': row for number, row in enumerate(rows)}
    num_folds = data.draw(st.integers(2, len(rows)))
    folds = stratified_folds(counts, num_folds, seed=0)
    assert list(folds) == list(counts)
    assert set(folds.values()) == set(range(num_folds))
    assert folds == stratified_folds(dict(reversed(counts.items())), num_folds, 0)


def test_a_rare_kind_is_spread():
    # Five of thirty have the second kind, and they are not the largest.
    counts = {f'case{i}': (20 - i % 3, 3 * (i < 5)) for i in range(30)}
    for seed in range(5):
        folds = stratified_folds(counts, 5, seed)
        assert sorted(folds[f'case{i}'] for i in range(5)) == [0, 1, 2, 3, 4]
        sizes = np.bincount(list(folds.values()))
        assert sizes.tolist() == [6] * 5
    assert stratified_folds(counts, 5, 0) != stratified_folds(counts, 5, 1)


def test_kinds_are_balanced_better_than_by_chance():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 20, (50, 8))
    counts = {str(i): row.tolist() for i, row in enumerate(rows)}
    folds = np.array(list(stratified_folds(counts, 5, 0).values()))

    def spread(folds):
        return np.std([rows[folds == k].sum(axis=0) for k in range(5)], axis=0).mean()

    by_chance = [spread(rng.permutation(np.arange(50) % 5)) for _ in range(20)]
    assert spread(folds) < 0.7 * min(by_chance)


@pytest.mark.parametrize(('groups', 'folds'), [(3, 4), (3, 1), (0, 2)])
def test_more_folds_than_groups(groups, folds):
    counts = {str(i): [1] for i in range(groups)}
    message = f'{groups} groups cannot be divided into {folds} folds'
    with pytest.raises(ValueError, match=message):
        stratified_folds(counts, folds, 0)
