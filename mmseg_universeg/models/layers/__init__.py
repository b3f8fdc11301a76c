from .composed_conv import ComposedConv
from .cross_conv import CrossBlock, Supports
from .cross_unet import cut_supports, decode, encode
from .double_conv import DoubleConv
from .full_scale import UpsampledConv
from .full_scale_node import FullScaleNode
from .presence_branch import PresenceBranch
from .probabilities import average_probabilities
from .skip_node import SkipNode

__all__ = [
    'ComposedConv',
    'CrossBlock',
    'DoubleConv',
    'FullScaleNode',
    'PresenceBranch',
    'SkipNode',
    'Supports',
    'UpsampledConv',
    'average_probabilities',
    'cut_supports',
    'decode',
    'encode',
]
