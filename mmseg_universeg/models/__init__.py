from .backbones import CachedEmbedding, SAMImageEncoder, UNetEncoder
from .data_preprocessors import BoxPromptDataPreprocessor, EpisodeDataPreprocessor
from .decode_heads import (
    MedSAMBoxPromptHead,
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
from .segmentors import (
    BoxPromptSegmentor,
    InContextBoxPromptSegmentor,
    InContextSegmentor,
    MeanSupportMask,
    MultiLabelEncoderDecoder,
    MultiLabelTTAModel,
    SingleLogitTTAModel,
    UniverSeg,
)

__all__ = [
    'BoxPromptDataPreprocessor',
    'BoxPromptSegmentor',
    'CachedEmbedding',
    'EpisodeDataPreprocessor',
    'HybridDiceCELoss',
    'InContextBoxPromptSegmentor',
    'InContextSegmentor',
    'MSSSIMLoss',
    'MeanSupportMask',
    'MedSAMBoxPromptHead',
    'MultiLabelEncoderDecoder',
    'MultiLabelTTAModel',
    'MulticlassFocalLoss',
    'SAMImageEncoder',
    'SingleLogitTTAModel',
    'SkipDecodeHead',
    'SoftDiceLoss',
    'SoftIoULoss',
    'UNet3PlusHead',
    'UNetEncoder',
    'UNetHead',
    'UNetPlusPlusHead',
    'UniverSeg',
]
