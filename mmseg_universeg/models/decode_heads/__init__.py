from .skip_decode_head import SkipDecodeHead

__all__ = ['SkipDecodeHead']
