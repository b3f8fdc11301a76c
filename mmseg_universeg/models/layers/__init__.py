from .composed_conv import ComposedConv
from .cross_conv import CrossBlock, Supports
from .cross_unet import cut_supports, decode, encode

__all__ = [
    'ComposedConv',
    'CrossBlock',
    'Supports',
    'cut_supports',
    'decode',
    'encode',
]
