from .backbones import UNetEncoder
from .data_preprocessors import EpisodeDataPreprocessor
from .decode_heads import UNetHead, UNetPlusPlusHead
from .losses import SoftDiceLoss
from .segmentors import InContextSegmentor, MeanSupportMask, UniverSeg

__all__ = [
    'EpisodeDataPreprocessor',
    'InContextSegmentor',
    'MeanSupportMask',
    'SoftDiceLoss',
    'UNetEncoder',
    'UNetHead',
    'UNetPlusPlusHead',
    'UniverSeg',
]
