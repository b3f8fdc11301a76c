"""UniverSeg and other medical-image models as an MMSegmentation plugin.

Importing this package registers its classes in MMSegmentation's own registries.
"""

from .utils.stack import allow_own_checkpoints, find_stack

if find_stack() == 'openmmlab':
    allow_own_checkpoints()

from . import datasets, engine, evaluation, models
from .utils.config import config_path

__version__ = '0.1.0'
__all__ = [
    '__version__',
    'config_path',
    'datasets',
    'engine',
    'evaluation',
    'models',
]
