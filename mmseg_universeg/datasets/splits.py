"""Where data sets lie, and which part of them a split is."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

SPLITS = ('train', 'test', 'all')


def default_data_root(folder: str) -> str:
    """Return ``<MMSEG_UNIVERSEG_DATA, or data>/<folder>``."""
    return str(Path(os.environ.get('MMSEG_UNIVERSEG_DATA') or 'data') / folder)


def check_split(split: str, wanted: Sequence[str] = SPLITS) -> None:
    """Raise ValueError unless ``split`` is one of those wanted."""
    if split not in wanted:
        raise ValueError(f'split must be one of {list(wanted)}, found {split!r}')


def split_groups(
    groups: Sequence[str], split: str, seed: int, percent: int = 70
) -> set[str]:
    """Return the groups (images or patients) that belong to a split.

    The distinct groups are sorted and permuted by ``default_rng(seed)``; the first
    ``percent``, rounded down but at least one, are ``'train'``, the others
    ``'test'``; 70 % as in the WBC example of UniverSeg's release.

    Args:
        groups: Names, of any order, repeated or not.
        split: ``'train'``, ``'test'`` or ``'all'``.
        seed: Seed of the permutation.
        percent: Share of ``'train'``, 0 to 100.
    """
    check_split(split)
    names = sorted(set(groups))
    if split == 'all':
        return set(names)
    order = np.random.default_rng(seed).permutation(len(names))
    # Whole numbers: 0.7 * n may fall just below a whole number.
    share = max(1, len(names) * percent // 100)
    chosen = order[:share] if split == 'train' else order[share:]
    return {names[i] for i in chosen}


def stratified_folds(
    counts: Mapping[str, Sequence[int]], num_folds: int, seed: int
) -> dict[str, int]:
    """Divide groups into folds that hold about as much of each kind.

    One group after the other, the largest first, goes to the fold that so far holds
    least of the kinds that the group is made of. A kind counts by its share of all of
    its items, so that rare ones weigh no less. As many groups as folds leave no fold
    empty.

    Args:
        counts: Number of items of each kind, K numbers for each group (a patient).
        num_folds: 2 or more.
        seed: Of the order of groups of equal size.

    Returns:
        Fold of every group, from 0, in the order given.

    Raises:
        ValueError: Fewer than two folds, or fewer groups than folds.
    """
    if not 2 <= num_folds <= len(counts):
        raise ValueError(
            f'{len(counts)} groups cannot be divided into {num_folds} folds, wanted 2 '
            'folds or more and a group for each'
        )
    names = sorted(counts)
    table = np.array([counts[name] for name in names], np.float64)
    shares = table / np.maximum(table.sum(axis=0), 1)
    held = np.zeros((num_folds, shares.shape[1]))
    groups = np.zeros(num_folds, np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    largest_first = np.argsort(-table[shuffled].sum(axis=1), kind='stable')
    fold_of = {}
    for index in shuffled[largest_first]:
        # Rounded: the last bits of a sum depend on the machine.
        held_alike = (held * shares[index]).sum(axis=1).round(12)
        fold = int(np.lexsort((groups, held_alike))[0])
        held[fold] += shares[index]
        groups[fold] += 1
        fold_of[names[index]] = fold
    return {name: fold_of[name] for name in counts}
