"""Randomness that depends on (seed, index) alone."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np


@contextmanager
def seeded(seed: int, idx: int) -> Iterator[np.random.Generator]:
    """Seed numpy's and Python's global random states for one item.

    Inside the block the global states of ``numpy.random`` and ``random`` depend
    on (seed, idx) only, so an item is the same in any worker process, in any
    order of visits and after any resume. Afterwards both states are as before.

    Args:
        seed: Seed of the data set, 0 or more.
        idx: Index of the item, 0 or more.

    Yields:
        A generator seeded from (seed, idx) too, independent of the global
        states: what it has drawn does not shift the transforms' randomness.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    own, for_numpy, for_python = np.random.SeedSequence((seed, idx)).spawn(3)
    np.random.seed(for_numpy.generate_state(4))
    random.seed(int(for_python.generate_state(1, np.uint64)[0]))
    try:
        yield np.random.default_rng(own)
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


class SupportSize:
    """How many supports the episode of an index has.

    A batch can be stacked only if all its episodes have as many supports, so a
    drawn number is shared by ``batch_size`` consecutive indices.

    Args:
        support_size: A number, or (lowest, highest), both included, from which
            the number is drawn uniformly.
        seed: Seed of the draws.
        batch_size: Number of consecutive indices that share a draw: the global
            batch size (per process times processes).
        length: Number of episodes; a multiple of ``batch_size`` where numbers
            are drawn, so that no batch straddles two draws.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        support_size: int | Sequence[int],
        seed: int,
        batch_size: int,
        length: int,
    ) -> None:
        bounds = (
            (support_size, support_size)
            if isinstance(support_size, int)
            else tuple(support_size)
        )
        if len(bounds) != 2 or not 1 <= bounds[0] <= bounds[1]:
            raise ValueError(
                'support_size must be a number from 1 or (lowest, highest), '
                f'found {support_size!r}'
            )
        if batch_size < 1 or length < 1 or seed < 0:
            raise ValueError(
                'batch_size and length must be at least 1 and seed at least 0, '
                f'found {batch_size}, {length} and {seed}'
            )
        self.lowest, self.highest = bounds
        if self.lowest < self.highest and length % batch_size:
            raise ValueError(
                f'length={length} must be a multiple of batch_size={batch_size}: '
                'a batch must not hold two numbers of supports'
            )
        self.seed, self.batch_size = seed, batch_size

    def __call__(self, idx: int) -> int:
        """Return the number of supports of episode ``idx``."""
        if self.lowest == self.highest:
            return self.lowest
        # A third word keeps this stream apart from that of seeded(seed, idx).
        rng = np.random.default_rng((self.seed, idx // self.batch_size, 1))
        return int(rng.integers(self.lowest, self.highest + 1))
