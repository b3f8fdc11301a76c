from .medsam_box_prompt_head import MedSAMBoxPromptHead
from .skip_decode_head import SkipDecodeHead
from .unet3plus_head import UNet3PlusHead
from .unet_head import UNetHead
from .unet_plus_plus_head import UNetPlusPlusHead

__all__ = [
    'MedSAMBoxPromptHead',
    'SkipDecodeHead',
    'UNet3PlusHead',
    'UNetHead',
    'UNetPlusPlusHead',
]
