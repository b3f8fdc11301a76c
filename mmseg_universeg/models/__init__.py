from .data_preprocessors import EpisodeDataPreprocessor
from .losses import SoftDiceLoss
from .segmentors import InContextSegmentor, MeanSupportMask, UniverSeg

__all__ = [
    'EpisodeDataPreprocessor',
    'InContextSegmentor',
    'MeanSupportMask',
    'SoftDiceLoss',
    'UniverSeg',
]
