from . import transforms
from .in_context import InContextDataset

__all__ = [
    'InContextDataset',
    'transforms',
]
