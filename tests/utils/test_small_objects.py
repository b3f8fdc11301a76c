"""Small objects: counted by hand, and against a plain flood fill."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_universeg.utils.small_objects import drop_small_objects


def test_by_hand() -> None:
    labels = np.array(
        [
            [1, 0, 0, 2, 2],
            [0, 1, 0, 0, 0],
            [3, 0, 1, 0, 1],
            [3, 3, 0, 0, 0],
        ],
        np.uint8,
    )
    # The three diagonal pixels of 1 touch by corners; its fourth is alone.
    assert drop_small_objects(labels, 3) == {1: (1, 1), 2: (1, 2)}
    assert labels.tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [3, 0, 1, 0, 0],
        [3, 3, 0, 0, 0],
    ]


def test_labels_that_touch_are_two_objects() -> None:
    labels = np.repeat([[1] * 5 + [2] * 5], 2, axis=0).astype(np.uint8)
    assert drop_small_objects(labels.copy(), 10) == {}
    assert drop_small_objects(labels, 11) == {1: (1, 10), 2: (1, 10)}
    assert not labels.any()


def _flood(labels: np.ndarray) -> list[list[tuple[int, ...]]]:
    """Find the places of every object, one neighbour after the other."""
    seen = np.zeros(labels.shape, bool)
    steps = list(itertools.product((-1, 0, 1), repeat=labels.ndim))
    objects = []
    for start in zip(*np.nonzero(labels)):
        if seen[start]:
            continue
        seen[start] = True
        places = [start]
        for place in places:
            for step in steps:
                near = tuple(p + s for p, s in zip(place, step))
                if (
                    all(0 <= n < size for n, size in zip(near, labels.shape))
                    and not seen[near]
                    and labels[near] == labels[start]
                ):
                    seen[near] = True
                    places.append(near)
        objects.append(places)
    return objects


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([(7, 8), (4, 5, 6)]),
    st.integers(1, 9),
    st.floats(0.2, 0.9),
)
def test_equals_flood_fill(seed: int, shape: tuple, minimum: int, empty: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 4, shape).astype(np.uint8) * (rng.random(shape) > empty)
    wanted, counts = labels.copy(), {}
    for places in _flood(labels):
        if len(places) < minimum:
            index = tuple(np.transpose(places))
            before = counts.get(labels[places[0]], (0, 0))
            counts[labels[places[0]]] = before[0] + 1, before[1] + len(places)
            wanted[index] = 0
    assert drop_small_objects(labels, minimum) == counts
    np.testing.assert_array_equal(labels, wanted)
