from .hooks import SupportSetHook
from .optimizers import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper', 'SupportSetHook']
