"""Masks as run-length text, as the UW-Madison GI tract competition writes them."""

import re

import numpy as np

# How pixels are counted, and NumPy's name for it.
ORDERS = {'row': 'C', 'column': 'F'}


def decode_runs(text: str, size: tuple[int, int], order: str = 'row') -> np.ndarray:
    """Draw the mask that a text of runs describes.

    Args:
        text: Starts and lengths in turn, separated by blanks: ``'1 3 10 2'`` are the
            pixels 1, 2, 3, 10 and 11. Empty for an empty mask.
        size: (height, width) of the mask.
        order: ``'row'`` counts pixels along rows, as the competition's files do;
            ``'column'`` from top to bottom, as its description says.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: An odd count of numbers, one that is no whole number, runs that are
            not in order or overlap, or one that leaves the image.
    """
    pixels = size[0] * size[1]
    words = text.split()
    try:
        if not all(re.fullmatch(r'-?[0-9]+', word) for word in words):
            raise ValueError
        numbers = np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        raise ValueError(
            f'runs are {_shown(text)}, wanted whole numbers separated by blanks'
        ) from None
    if numbers.size % 2:
        raise ValueError(
            f'runs are {numbers.size} numbers, an odd count; wanted a start and a '
            'length for each run'
        )
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    ends = starts + lengths
    wrong = (starts < 0) | (lengths < 1)
    if wrong.any():
        place = wrong.argmax()
        raise ValueError(
            f'run {starts[place] + 1} {lengths[place]}: start and length must be 1 or '
            'more'
        )
    late = (starts >= pixels) | (lengths > pixels - starts)
    if late.any():
        place = late.argmax()
        raise ValueError(
            f'run {starts[place] + 1} {lengths[place]} goes past the image, which has '
            f'{size[0]} x {size[1]} = {pixels} pixels'
        )
    if (starts[1:] < ends[:-1]).any():
        place = (starts[1:] < ends[:-1]).argmax()
        raise ValueError(
            f'run {starts[place + 1] + 1} {lengths[place + 1]} begins before the end of'
            f' {starts[place] + 1} {lengths[place]}; wanted runs in order that do not '
            'overlap'
        )
    steps = np.zeros(pixels + 1, np.int8)
    steps[starts] += 1
    steps[ends] -= 1
    inside = np.cumsum(steps[:-1], dtype=np.int8)
    return inside.astype(bool).reshape(size, order=_numpy_order(order))


def encode_runs(mask: np.ndarray, order: str = 'row') -> str:
    """Describe a mask by as few runs as possible; `decode_runs` is the inverse.

    Args:
        mask: (H, W) bool.
        order: As in `decode_runs`.

    Returns:
        Starts and lengths in turn, separated by blanks.

    Raises:
        ValueError: The mask is not (H, W) bool.
    """
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f'a mask must be (H, W) bool, found {mask.dtype} {mask.shape}')
    inside = np.zeros(mask.size + 2, np.int8)
    inside[1:-1] = mask.ravel(order=_numpy_order(order))
    edges = np.flatnonzero(np.diff(inside))
    runs = np.stack([edges[::2] + 1, edges[1::2] - edges[::2]], axis=1)
    return ' '.join(map(str, runs.ravel().tolist()))


def _numpy_order(order: str) -> str:
    if order not in ORDERS:
        raise ValueError(f'order must be one of {list(ORDERS)}, found {order!r}')
    return ORDERS[order]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f'{text[:57]}...')
