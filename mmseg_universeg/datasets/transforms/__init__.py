from .augment_geometric import RandomAffineWarp, RandomElastic
from .augment_intensity import (
    RandomBrightnessContrast,
    RandomFlipIntensities,
    RandomGamma,
    RandomGaussianBlur,
    RandomGaussianNoise,
    RandomSharpness,
)
from .augment_labels import RandomEdgeLabels, RandomFlipLabels
from .episode import AugmentAlike, AugmentEach
from .formatting import PackEpisodeInputs

__all__ = [
    'AugmentAlike',
    'AugmentEach',
    'PackEpisodeInputs',
    'RandomAffineWarp',
    'RandomBrightnessContrast',
    'RandomEdgeLabels',
    'RandomElastic',
    'RandomFlipIntensities',
    'RandomFlipLabels',
    'RandomGamma',
    'RandomGaussianBlur',
    'RandomGaussianNoise',
    'RandomSharpness',
]
