from .composed_conv import ComposedConv
from .cross_conv import CrossBlock, Supports
from .cross_unet import cut_supports, decode, encode
from .full_scale import UpsampledConv
from .full_scale_node import FullScaleNode
from .presence_branch import PresenceBranch

__all__ = [
    'ComposedConv',
    'CrossBlock',
    'FullScaleNode',
    'PresenceBranch',
    'Supports',
    'UpsampledConv',
    'cut_supports',
    'decode',
    'encode',
]
