from .data_preprocessors import EpisodeDataPreprocessor
from .losses import (
    HybridDiceCELoss,
    SoftDiceLoss,
)
from .segmentors import InContextSegmentor, MeanSupportMask, UniverSeg

__all__ = [
    'EpisodeDataPreprocessor',
    'HybridDiceCELoss',
    'InContextSegmentor',
    'MeanSupportMask',
    'SoftDiceLoss',
    'UniverSeg',
]
