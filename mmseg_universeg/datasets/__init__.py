from . import transforms
from .in_context import InContextDataset
from .synthetic import SyntheticTasksDataset

__all__ = [
    'InContextDataset',
    'SyntheticTasksDataset',
    'transforms',
]
