from .hooks import CaseOverlayHook, SupportSetHook
from .optimizers import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper', 'CaseOverlayHook', 'SupportSetHook']
