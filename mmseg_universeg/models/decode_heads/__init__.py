from .skip_decode_head import SkipDecodeHead
from .unet3plus_head import UNet3PlusHead

__all__ = ['SkipDecodeHead', 'UNet3PlusHead']
