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
from .elastic import BioMedicalElasticDeform
from .embedding import LoadImageEmbedding
from .episode import AugmentAlike, AugmentEach
from .formatting import PackEpisodeInputs, PackWeightedSegInputs
from .intensity import MinMaxNormalize, ToGrayscale
from .loading import LoadLabelMap, LoadMedicalImage
from .mosaic import BioMedicalRandomMosaic
from .weight_map import GenerateBorderWeightMap

__all__ = [
    'AugmentAlike',
    'AugmentEach',
    'BioMedicalElasticDeform',
    'BioMedicalRandomMosaic',
    'GenerateBorderWeightMap',
    'LoadImageEmbedding',
    'LoadLabelMap',
    'LoadMedicalImage',
    'MinMaxNormalize',
    'PackEpisodeInputs',
    'PackWeightedSegInputs',
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
    'ToGrayscale',
]
