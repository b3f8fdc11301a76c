from .hooks import BEiTWindowHook, CaseOverlayHook, SupportSetHook
from .optimizers import BFloat16OptimWrapper

__all__ = [
    'BEiTWindowHook',
    'BFloat16OptimWrapper',
    'CaseOverlayHook',
    'SupportSetHook',
]
