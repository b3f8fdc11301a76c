"""Where data sets lie, and which part of them a split is."""

import os
from collections.abc import Sequence
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
