from .beit_window import BEiTWindowHook
from .overlay import CaseOverlayHook
from .support_set import SupportSetHook

__all__ = ['BEiTWindowHook', 'CaseOverlayHook', 'SupportSetHook']
