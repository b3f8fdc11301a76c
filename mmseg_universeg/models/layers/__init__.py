from .composed_conv import ComposedConv
from .cross_conv import CrossBlock, Supports
from .cross_unet import cut_supports, decode, encode
from .full_scale import UpsampledConv

__all__ = [
    'ComposedConv',
    'CrossBlock',
    'Supports',
    'UpsampledConv',
    'cut_supports',
    'decode',
    'encode',
]
