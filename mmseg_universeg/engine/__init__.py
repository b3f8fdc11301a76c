from .hooks import (
    BEiTWindowHook,
    CaseOverlayHook,
    MainProcessLoggerHook,
    SupportSetHook,
)
from .optimizers import BFloat16OptimWrapper

__all__ = [
    'BEiTWindowHook',
    'BFloat16OptimWrapper',
    'CaseOverlayHook',
    'MainProcessLoggerHook',
    'SupportSetHook',
]
