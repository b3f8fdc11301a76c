from .overlay import CaseOverlayHook
from .support_set import SupportSetHook

__all__ = ['CaseOverlayHook', 'SupportSetHook']
