"""Run-length text: both ways, both orders, and what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from mmseg_universeg.utils.run_length import decode_runs, encode_runs

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
ORDERS = st.sampled_from(['row', 'column'])


def test_by_hand():
    mask = np.zeros((2, 3), bool)
    mask[0, 1:], mask[1, 0] = True, True
    # Along rows 0 1 1 1 0 0, along columns 0 1 1 0 1 0.
    assert encode_runs(mask) == '2 3'
    assert encode_runs(mask, 'column') == '2 2 5 1'
    np.testing.assert_array_equal(decode_runs('2 3', (2, 3)), mask)
    np.testing.assert_array_equal(decode_runs('2 2 5 1', (2, 3), 'column'), mask)
    assert encode_runs(np.zeros((4, 5), bool)) == ''
    assert encode_runs(np.ones((4, 5), bool)) == '1 20'


@settings(max_examples=60, deadline=None)
@given(of_numpy.arrays(bool, SIZES), ORDERS)
def test_decoding_undoes_encoding(mask, order):
    text = encode_runs(mask, order)
    np.testing.assert_array_equal(decode_runs(text, mask.shape, order), mask)
    # Only empty text is of an empty mask, and no run touches the next.
    assert bool(text) == mask.any()
    numbers = [int(word) for word in text.split()]
    pairs = list(zip(numbers[::2], numbers[1::2]))
    assert all(a + n < b for (a, n), (b, _) in itertools.pairwise(pairs))
    assert sum(numbers[1::2]) == mask.sum()


@settings(max_examples=60, deadline=None)
@given(SIZES, ORDERS, st.data())
def test_encoding_undoes_decoding(size, order, data):
    # A gap before every run, so that each is one for itself.
    gaps = st.tuples(st.integers(1, 4), st.integers(1, 4))
    numbers, at = [], data.draw(st.integers(0, 1))
    for gap, length in data.draw(st.lists(gaps, max_size=8)):
        if at + gap + length - 1 > size[0] * size[1]:
            break
        numbers += [at + gap, length]
        at += gap + length
    text = ' '.join(map(str, numbers))
    assert encode_runs(decode_runs(text, size, order), order) == text


def test_the_order_agrees_with_the_transposed_image():
    mask = np.random.default_rng(0).random((7, 4)) < 0.5
    assert encode_runs(mask, 'column') == encode_runs(mask.T)


def test_the_wrong_order_shears():
    mask = np.zeros((30, 50), bool)
    mask[5:25, 20:24] = True  # an upright bar
    wrong = decode_runs(encode_runs(mask), mask.shape, 'column')
    assert wrong.sum() == mask.sum()
    # Each of its rows ends up one column and 20 rows after the one before: 50 - 30.
    starts = np.argwhere(wrong & ~np.roll(wrong.ravel('F'), 1).reshape(50, 30).T)
    places = np.sort(starts[:, 1] * 30 + starts[:, 0])
    assert (np.diff(places) == 50).all()
    assert np.ptp(np.nonzero(wrong)[1]) > 30 > 4 > np.ptp(np.nonzero(mask)[1])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1 2 3', 'runs are 3 numbers, an odd count'),
        ('5 9', r'run 5 9 goes past the image, which has 3 x 4 = 12 pixels'),
        ('13 1', 'run 13 1 goes past the image'),
        ('9000000000000000000 9000000000000000000', 'goes past the image'),
        ('1 99999999999999999999', "runs are '1 9+', wanted whole numbers"),
        ('0 3', 'run 0 3: start and length must be 1 or more'),
        ('3 0', 'run 3 0: start and length'),
        ('3 -1', 'run 3 -1: start and length'),
        ('5 2 1 2', 'run 1 2 begins before the end of 5 2'),
        ('1 4 4 2', 'run 4 2 begins before the end of 1 4; wanted runs in order'),
        ('1 1.5', "runs are '1 1.5', wanted whole numbers"),
        ('1_0 2', "runs are '1_0 2', wanted whole numbers"),
        ('+3 \u0661', 'wanted whole numbers'),
        ('nan', "runs are 'nan', wanted whole numbers"),
        ('x' * 99, r"runs are 'x{57}\.\.\.', wanted"),
    ],
)
def test_texts_that_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        decode_runs(text, (3, 4))


def test_the_last_pixel_and_touching_runs():
    assert decode_runs('12 1', (3, 4))[2, 3]
    np.testing.assert_array_equal(
        decode_runs('1 2 3 2', (3, 4)), decode_runs('1 4', (3, 4))
    )


def test_what_else_is_refused():
    with pytest.raises(ValueError, match=r'must be \(H, W\) bool, found uint8'):
        encode_runs(np.zeros((3, 4), np.uint8))
    with pytest.raises(ValueError, match=r'found bool \(3,\)'):
        encode_runs(np.zeros(3, bool))
    with pytest.raises(ValueError, match=r"\['row', 'column'\], found 'C'"):
        decode_runs('', (1, 1), 'C')
