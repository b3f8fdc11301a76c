"""What the tests of models share."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.fixture(scope='session')
def plain_universeg() -> Callable[..., torch.Tensor]:
    """The network written down plainly, from the benchmark."""
    return runpy.run_path(str(BENCHMARKS / 'plain_universeg.py'))['plain_universeg']


@pytest.fixture(scope='session')
def plain_unet3plus() -> Callable[..., list[torch.Tensor]]:
    """The decoder written down plainly, from the benchmark."""
    return runpy.run_path(str(BENCHMARKS / 'plain_unet3plus.py'))['plain_unet3plus']


@pytest.fixture(autouse=True)
def seeded_torch() -> None:
    """Random weights and inputs that are the same in every run."""
    torch.manual_seed(0)
