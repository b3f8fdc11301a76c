from .episode import AugmentAlike, AugmentEach
from .formatting import PackEpisodeInputs

__all__ = [
    'AugmentAlike',
    'AugmentEach',
    'PackEpisodeInputs',
]
