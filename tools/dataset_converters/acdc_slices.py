"""Make the NIfTI volumes of the ACDC challenge into the slices of ACDCSlicesDataset.

    python tools/dataset_converters/acdc_slices.py ACDC/training --out data

Each ``patientXXX/patientXXX_frameYY.nii.gz`` that has a ``_gt`` beside it becomes
``acdc_slices/{images,masks}/patientXXX_frameYY_slice_Z.png``: the last axis of the
volume counts the slices, intensities are scaled per slice to 8 bits, labels stay.
"""

import argparse
import os
import sys
from pathlib import Path

import cv2
import nibabel
import numpy as np
from mmengine.utils import track_iter_progress

_LABELS = (0, 1, 2, 3)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder with patientXXX folders')
    parser.add_argument(
        '--out',
        default=os.environ.get('MMSEG_UNIVERSEG_DATA') or 'data',
        type=Path,
        help='folder of data sets (default: MMSEG_UNIVERSEG_DATA, or data)',
    )
    args = parser.parse_args(arguments)
    try:
        count = convert(args.source, args.out / 'acdc_slices')
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.out / "acdc_slices"}: {count} slices. Terms: CC BY-NC-SA 4.0')
    return 0


def convert(source: Path, folder: Path) -> int:
    """Write the slices of all labelled volumes and return their number.

    Raises:
        FileExistsError: The folder is there already.
        FileNotFoundError: No labelled volume below ``source``, or one without image.
        ValueError: Image and labels differ in size, or labels other than 0 to 3.
    """
    if folder.exists():
        raise FileExistsError(f'{folder} exists and is not overwritten')
    labels = sorted(source.glob('patient*/patient*_frame*_gt.nii*'))
    if not labels:
        raise FileNotFoundError(
            f'{source}: no patient*/patient*_frame*_gt.nii.gz below it, wanted the '
            'training folder of ACDC'
        )
    # Appears under its name when it is complete.
    making = folder.with_name(f'.{folder.name}.making')
    for kind in ('images', 'masks'):
        (making / kind).mkdir(parents=True, exist_ok=True)
    count = sum(_convert_volume(path, making) for path in track_iter_progress(labels))
    making.rename(folder)
    return count


def _convert_volume(label_path: Path, folder: Path) -> int:
    image_path = label_path.with_name(label_path.name.replace('_gt', ''))
    image = np.asanyarray(nibabel.load(image_path).dataobj, np.float64)
    label = np.asanyarray(nibabel.load(label_path).dataobj)
    if image.shape != label.shape or image.ndim != 3:
        raise ValueError(
            f'{label_path}: labels of size {label.shape}, wanted the three axes '
            f'{image.shape} of {image_path}'
        )
    if not np.isin(label, _LABELS).all():
        raise ValueError(
            f'{label_path}: labels {np.unique(label).tolist()}, wanted {_LABELS}'
        )
    stem = image_path.name.split('.')[0]
    for index in range(image.shape[2]):
        name = f'{stem}_slice_{index}.png'
        # NIfTI counts columns first, pictures rows.
        pixels = image[..., index].T
        low, high = pixels.min(), pixels.max()
        scaled = np.rint((pixels - low) * (255 / max(high - low, 1e-12)))
        _write(folder / 'images' / name, scaled.astype(np.uint8))
        _write(folder / 'masks' / name, label[..., index].T.astype(np.uint8))
    return image.shape[2]


def _write(path: Path, pixels: np.ndarray) -> None:
    if not cv2.imwrite(str(path), np.ascontiguousarray(pixels)):
        raise OSError(f'{path}: cannot be written')


if __name__ == '__main__':
    sys.exit(main())
