from .composed_conv import ComposedConv
from .cross_conv import CrossBlock, Supports
from .cross_unet import cut_supports, decode, encode
from .double_conv import DoubleConv
from .skip_node import SkipNode

__all__ = [
    'ComposedConv',
    'CrossBlock',
    'DoubleConv',
    'SkipNode',
    'Supports',
    'cut_supports',
    'decode',
    'encode',
]
