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
from .box_files import LoadBoxPrompts
from .box_masks import MasksForBoxPrompts, RandomCropWithBoxes
from .box_packing import PackBoxPromptInputs
from .box_prompts import BoxPromptsFromMask
from .elastic import BioMedicalElasticDeform
from .embedding import LoadImageEmbedding
from .episode import AugmentAlike, AugmentEach
from .formatting import PackEpisodeInputs, PackWeightedSegInputs
from .intensity import DarkBackground, MinMaxNormalize, ToGrayscale, ToThreeChannels
from .load_once import LoadOnce
from .loading import LoadLabelMap, LoadMedicalImage
from .mosaic import BioMedicalRandomMosaic
from .multi_label import LoadMultiLabelMap, PackMultiLabelInputs
from .npz import LoadMedSAMNpzImage, LoadMedSAMNpzLabelMap
from .slice_stack import LoadSliceStack
from .weight_map import GenerateBorderWeightMap

__all__ = [
    'AugmentAlike',
    'AugmentEach',
    'BioMedicalElasticDeform',
    'BioMedicalRandomMosaic',
    'BoxPromptsFromMask',
    'DarkBackground',
    'GenerateBorderWeightMap',
    'LoadBoxPrompts',
    'LoadImageEmbedding',
    'LoadLabelMap',
    'LoadMedSAMNpzImage',
    'LoadMedSAMNpzLabelMap',
    'LoadMedicalImage',
    'LoadMultiLabelMap',
    'LoadOnce',
    'LoadSliceStack',
    'MasksForBoxPrompts',
    'MinMaxNormalize',
    'PackBoxPromptInputs',
    'PackEpisodeInputs',
    'PackMultiLabelInputs',
    'PackWeightedSegInputs',
    'RandomAffineWarp',
    'RandomBrightnessContrast',
    'RandomCropWithBoxes',
    'RandomEdgeLabels',
    'RandomElastic',
    'RandomFlipIntensities',
    'RandomFlipLabels',
    'RandomGamma',
    'RandomGaussianBlur',
    'RandomGaussianNoise',
    'RandomSharpness',
    'ToGrayscale',
    'ToThreeChannels',
]
