"""What the tests of models share."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

PLAIN = Path(__file__).parents[2] / 'tools/benchmarks/plain_universeg.py'


@pytest.fixture(scope='session')
def plain_universeg() -> Callable[..., torch.Tensor]:
    """The network written down plainly, from the benchmark."""
    return runpy.run_path(str(PLAIN))['plain_universeg']


@pytest.fixture(autouse=True)
def seeded_torch() -> None:
    """Random weights and inputs that are the same in every run."""
    torch.manual_seed(0)
