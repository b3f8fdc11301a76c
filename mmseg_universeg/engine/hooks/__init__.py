from .support_set import SupportSetHook

__all__ = ['SupportSetHook']
