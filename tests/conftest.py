"""Fixtures shared by every test."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def data_root() -> Path:
    """The folder that holds the real data sets; skips where it is not given."""
    root = os.environ.get('MMSEG_UNIVERSEG_DATA')
    if root and Path(root).is_dir():
        return Path(root).resolve()
    message = f'needs real data: MMSEG_UNIVERSEG_DATA is {root!r}, not a folder'
    if os.environ.get('CI'):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope='session')
def parity_root(data_root: Path) -> Path:
    """The folder with recorded outputs of the released models."""
    return data_root.parent / 'parity'
