"""Contact sheets: what is drawn, for every number of pictures."""

import numpy as np
import pytest

from mmseg_universeg.utils.contact_sheet import contact_sheet

GREY = np.full((40, 50), 90, np.uint8)


def near(sheet: np.ndarray, colour: np.ndarray) -> int:
    """Number of pixels of nearly a colour."""
    return int((np.abs(sheet.astype(int) - colour).max(axis=-1) < 12).sum())


@pytest.mark.parametrize('number', [1, 4, 5])
def test_rows(number: int) -> None:
    sheet = contact_sheet([('a', GREY, np.zeros_like(GREY))] * number)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (960, 3)
    rows = -(-number // 4)
    assert sheet.shape[0] == pytest.approx(30 + 270 * rows, abs=2)
    assert near(sheet, np.full(3, 90)) > number * 150 * 120


def test_labels_are_tinted_and_named() -> None:
    labels = np.zeros_like(GREY)
    labels[10:30, 10:30], labels[:5] = 1, 200
    bare = contact_sheet([('a', GREY, labels * 0)])
    sheet = contact_sheet([('a', GREY, labels)])
    blue, orange = np.array([31, 119, 180]), np.array([255, 127, 14])
    for colour, least in ((blue, 2000), (orange, 1000)):
        tint = (colour + 90) / 2
        assert near(sheet, tint) > least > near(bare, tint)
        assert near(sheet, colour) > 50 > near(bare, colour)  # in the legend


def test_colour_and_many_labels() -> None:
    labels = np.arange(GREY.size).reshape(GREY.shape) % 256
    picture = np.stack([GREY, GREY // 2, GREY * 2], axis=-1)
    sheet = contact_sheet([('a', picture, labels)])
    assert sheet.shape[0] == pytest.approx(300 + 22 * 20, abs=2)
