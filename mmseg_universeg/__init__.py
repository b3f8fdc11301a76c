"""UniverSeg and other medical-image models as an MMSegmentation plugin."""

from . import datasets, engine, evaluation, models

__version__ = '0.1.0'
__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'models']
