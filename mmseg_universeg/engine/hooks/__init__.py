from .beit_window import BEiTWindowHook
from .logger import MainProcessLoggerHook
from .overlay import CaseOverlayHook
from .support_set import SupportSetHook

__all__ = [
    'BEiTWindowHook',
    'CaseOverlayHook',
    'MainProcessLoggerHook',
    'SupportSetHook',
]
