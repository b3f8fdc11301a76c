from .data_preprocessors import EpisodeDataPreprocessor
from .decode_heads import UNet3PlusHead
from .losses import (
    HybridDiceCELoss,
    MSSSIMLoss,
    MulticlassFocalLoss,
    SoftDiceLoss,
    SoftIoULoss,
)
from .segmentors import InContextSegmentor, MeanSupportMask, UniverSeg

__all__ = [
    'EpisodeDataPreprocessor',
    'HybridDiceCELoss',
    'InContextSegmentor',
    'MSSSIMLoss',
    'MeanSupportMask',
    'MulticlassFocalLoss',
    'SoftDiceLoss',
    'SoftIoULoss',
    'UNet3PlusHead',
    'UniverSeg',
]
