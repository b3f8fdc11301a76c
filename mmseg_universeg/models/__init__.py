from .backbones import UNetEncoder
from .data_preprocessors import EpisodeDataPreprocessor
from .decode_heads import (
    SkipDecodeHead,
    UNet3PlusHead,
    UNetHead,
    UNetPlusPlusHead,
)
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
    'SkipDecodeHead',
    'SoftDiceLoss',
    'SoftIoULoss',
    'UNet3PlusHead',
    'UNetEncoder',
    'UNetHead',
    'UNetPlusPlusHead',
    'UniverSeg',
]
