from . import transforms
from .acdc import ACDCSlicesDataset
from .drive import DRIVEArchiveDataset
from .dsb2018 import DSB2018Dataset
from .flare22 import FLARE22Dataset
from .folder import ImageMaskFolderDataset
from .in_context import InContextDataset
from .isbi2012 import ISBI2012Dataset
from .medical import MedicalSegDataset
from .medsam_npz import MedSAMNpzDataset
from .samplers import ImageSizeSampler
from .synthetic import SyntheticTasksDataset
from .uw_madison_gi import UWMadisonGIDataset
from .wbc import WBCDataset

__all__ = [
    'ACDCSlicesDataset',
    'DRIVEArchiveDataset',
    'DSB2018Dataset',
    'FLARE22Dataset',
    'ISBI2012Dataset',
    'ImageMaskFolderDataset',
    'ImageSizeSampler',
    'InContextDataset',
    'MedSAMNpzDataset',
    'MedicalSegDataset',
    'SyntheticTasksDataset',
    'UWMadisonGIDataset',
    'WBCDataset',
    'transforms',
]
