from .in_context_segmentor import InContextSegmentor
from .mean_support_mask import MeanSupportMask
from .support_memory import SupportDraw, SupportMemory
from .universeg import UniverSeg

__all__ = [
    'InContextSegmentor',
    'MeanSupportMask',
    'SupportDraw',
    'SupportMemory',
    'UniverSeg',
]
