"""Heart of the ACDC challenge, as slices."""

import re

from mmseg.registry import DATASETS

from .medical import MedicalSegDataset

_NAME = re.compile(r'(?P<patient>patient\d+)_frame(?P<frame>\d+)_slice_(?P<slice>\d+)')


@DATASETS.register_module()
class ACDCSlicesDataset(MedicalSegDataset):
    """Cardiac MRI of the ACDC challenge (Bernard 2018), slices as PNG pairs.

    ``<data_root>/{images,masks}/patientXXX_frameYY_slice_Z.png``, 8-bit grey scaled
    per slice, masks 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle.
    Splits never divide a patient. Every item has ``case_id``
    (``'patient021_frame13'``, one volume at one time) and ``slice_index``, so that
    measures can be taken per volume. The pixel spacing (different per patient in the
    challenge's NIfTI files) is not in these PNG files: distances are in pixels.
    """

    METAINFO = dict(
        classes=('background', 'right ventricle', 'myocardium', 'left ventricle'),
        palette=[[0, 0, 0], [66, 133, 244], [15, 157, 88], [219, 68, 55]],
    )
    FOLDER = 'acdc_slices'
    LABEL_VALUES = {0: 0, 1: 1, 2: 2, 3: 3}
    HOW_TO_GET = 'how to get the data: python tools/dataset_converters/download.py acdc'

    def find_samples(self) -> list[dict]:
        """Pair images and masks, ordered by volume and slice."""
        images = self.list_folder('images', suffixes=('.png',))
        masks = self.list_folder('masks', suffixes=('.png',))
        samples = []
        for stem, pair in zip(images, self.pair(images, masks)):
            name = _NAME.fullmatch(stem)
            if name is None:
                raise ValueError(
                    f'{pair["img_path"]}: wanted a name like '
                    'patient001_frame01_slice_0.png'
                )
            case_id = f'{name["patient"]}_frame{name["frame"]}'
            samples.append(
                {**pair, 'case_id': case_id, 'slice_index': int(name['slice'])}
            )
        return sorted(samples, key=lambda s: (s['case_id'], s['slice_index']))

    def split_group(self, sample: dict) -> str:
        """Return the patient."""
        return sample['case_id'].split('_')[0]
