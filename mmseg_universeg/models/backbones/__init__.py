from .cached_embedding import CachedEmbedding
from .sam_image_encoder import SAMImageEncoder
from .unet_encoder import UNetEncoder

__all__ = ['CachedEmbedding', 'SAMImageEncoder', 'UNetEncoder']
