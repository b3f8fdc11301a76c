from .data_preprocessors import EpisodeDataPreprocessor
from .losses import (
    HybridDiceCELoss,
    MulticlassFocalLoss,
    SoftDiceLoss,
    SoftIoULoss,
)
from .segmentors import InContextSegmentor, MeanSupportMask, UniverSeg

__all__ = [
    'EpisodeDataPreprocessor',
    'HybridDiceCELoss',
    'InContextSegmentor',
    'MeanSupportMask',
    'MulticlassFocalLoss',
    'SoftDiceLoss',
    'SoftIoULoss',
    'UniverSeg',
]
