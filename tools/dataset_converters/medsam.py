r"""Make labelled scans, or folders of pictures, into slices and npz files for MedSAM.

CT of FLARE22, soft-tissue window, without the duodenum, as in the released code:

    python tools/dataset_converters/medsam.py -i FLARE22Train/images \
        -gt FLARE22Train/labels -o data/flare22 --img-suffix _0000.nii.gz \
        --modality CT --remove-labels 12

CT in another window, by name or by level and width; files of a patient stay together:

    python tools/dataset_converters/medsam.py -i ct -gt labels -o out \
        --modality CT --window lung --patient 'patient[0-9]+'
    python tools/dataset_converters/medsam.py -i ct -gt labels -o out \
        --modality CT --window 50 350

MR, ultrasound and others: 0.5 and 99.5 percentiles of the voxels that are not 0:

    python tools/dataset_converters/medsam.py -i mr -gt labels -o out --modality MR

Grey (percentiles) or RGB pictures (left as they are where in 0 to 255):

    python tools/dataset_converters/medsam.py -i images -gt masks -o out

The output, by case 80 % train and 20 % test:

    settings.json, split.json   what it was made with, which case is where
    preview.png                 some slices with their labels: look at it
    {train,test}/images,masks   PNG pairs that ImageMaskFolderDataset and MMSeg's
                                BaseSegDataset read: CASE_slice_007.png, or CASE.png
    {train,test}/npz            CASE.npz as MedSAM's code reads it
    cases/CASE.json             spacing, labels, and the small objects dropped

Slices of NIfTI files are axial whatever the axes of the file: from the feet to the
head, rows from front to back, columns from right to left of the patient. `spacing` is
in mm in the order of the arrays' axes (slice, row, column); the released code writes
(x, y, z). NiftiVolume.write_labels puts masks of such slices back onto the scan. The
same command again finishes what was interrupted; other settings need another folder.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress

from mmseg_universeg.datasets.labelled_cases import (
    Case,
    PictureCase,
    VolumeCase,
    whole_labels,
)
from mmseg_universeg.datasets.splits import split_groups
from mmseg_universeg.datasets.transforms.loading import IGNORED
from mmseg_universeg.utils.contact_sheet import contact_sheet
from mmseg_universeg.utils.eight_bit import CT_WINDOWS
from mmseg_universeg.utils.image_io import IMAGE_SUFFIXES, read_image
from mmseg_universeg.utils.medsam_npz import write_medsam_npz
from mmseg_universeg.utils.nifti import NIFTI_SUFFIXES
from mmseg_universeg.utils.output_folder import (
    open_output_folder,
    write_json,
    write_png,
)
from mmseg_universeg.utils.small_objects import drop_small_objects

TRAIN_PERCENT = 80
PREVIEWED = 12


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parse_args(arguments)
    try:
        pairs, volumes = find_pairs(args.i, args.gt, args.img_suffix, args.gt_suffix)
        if volumes == (args.modality is None):
            raise ValueError(
                f'{args.i}: pictures have no --modality'
                if args.modality
                else f'{args.i}: NIfTI volumes need --modality CT, MR or other'
            )
        split = split_cases(list(pairs), args.patient, args.seed)
        kind = VolumeCase if volumes else PictureCase
        cases = [kind(name, *paths) for name, paths in pairs.items()]
        prepare(args.o, settings(args), split)
        records = convert(cases, args, split)
        write_preview(args.o)
    except (OSError, ValueError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ninterrupted; the same command finishes the rest', file=sys.stderr)
        return 130
    print_summary(args, records)
    return 0


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('-i', type=Path, required=True, metavar='FOLDER', help='scans or pictures')
    add('-gt', type=Path, required=True, metavar='FOLDER', help='their labels')
    add('-o', type=Path, required=True, metavar='FOLDER', help='folder to make')
    add('--img-suffix', metavar='END', help='of the names of images: _0000.nii.gz')
    add('--gt-suffix', metavar='END', help='of the names of labels: _label.nii.gz')
    add('--modality', choices=('CT', 'MR', 'other'), help='of NIfTI volumes')
    add(
        '--window',
        nargs='+',
        metavar=('NAME|LEVEL', 'WIDTH'),
        help=f'of CT: {", ".join(CT_WINDOWS)}, or level and width in Hounsfield '
        'units (default: soft-tissue, 40 400)',
    )
    add(
        '--remove-labels',
        type=int,
        nargs='+',
        default=[],
        metavar='ID',
        help='labels that become 0',
    )
    add(
        '--min-voxels',
        type=int,
        metavar='N',
        default=1000,
        help='smallest object of a label in a volume, 26 neighbours (default: 1000)',
    )
    add(
        '--min-pixels',
        type=int,
        metavar='N',
        default=100,
        help='smallest object of a label in a slice, 8 neighbours (default: 100)',
    )
    add('--all-slices', action='store_true', help='also slices without any label')
    add(
        '--patient',
        metavar='REGEX',
        help='what of a name is the patient; the split does not divide patients',
    )
    add('--seed', type=int, default=0, help='of the split (default: 0)')
    args = parser.parse_args(arguments)
    if args.window and args.modality != 'CT':
        parser.error('--window is for --modality CT')
    try:
        args.window = ct_window(args.window) if args.modality == 'CT' else None
        re.compile(args.patient or '')
    except (ValueError, re.error) as error:
        parser.error(str(error))
    return args


def ct_window(words: list[str] | None) -> tuple[float, float]:
    """Return level and width of a window given by its name or by both.

    Raises:
        ValueError: It is neither.
    """
    words = words or ['soft-tissue']
    if words[0] in CT_WINDOWS and len(words) == 1:
        return CT_WINDOWS[words[0]]
    try:
        level, width = (float(word) for word in words)
    except ValueError:
        raise ValueError(
            f'--window: wanted {", ".join(CT_WINDOWS)} or a level and a width, found '
            f'{" ".join(words)}'
        ) from None
    return level, width


def find_pairs(
    images: Path, labels: Path, img_suffix: str | None, gt_suffix: str | None
) -> tuple[dict[str, tuple[Path, Path]], bool]:
    """Pair the files of two folders (or of one) by their names without suffix.

    Returns:
        name -> (image, labels), and whether these are NIfTI volumes.

    Raises:
        FileNotFoundError: A folder is missing or without such files, or labels have
            no image.
        ValueError: Two files have one name, or volumes and pictures are mixed.
    """
    by_label = list_files(labels, gt_suffix)
    by_image = list_files(images, img_suffix, leave_out=by_label.values())
    alone = [path for name, path in by_label.items() if name not in by_image]
    if alone:
        raise FileNotFoundError(
            f'{alone[0]}: no image of this name in {images} ({len(alone)} such labels '
            'in all); --img-suffix and --gt-suffix say how names end'
        )
    unlabelled = [path for name, path in by_image.items() if name not in by_label]
    if unlabelled:
        print(
            f'left out {len(unlabelled)} images without labels, the first is '
            f'{unlabelled[0]}'
        )
    pairs = {name: (by_image[name], path) for name, path in by_label.items()}
    kinds = {
        path.name.lower().endswith(NIFTI_SUFFIXES)
        for pair in pairs.values()
        for path in pair
    }
    if len(kinds) > 1:
        raise ValueError(
            f'{images}, {labels}: hold both NIfTI volumes and pictures, wanted one kind'
        )
    return pairs, kinds.pop()


def list_files(
    folder: Path, suffix: str | None, leave_out: Sequence[Path] = ()
) -> dict[str, Path]:
    """List files by their names without suffix, in order.

    Raises:
        FileNotFoundError: The folder is missing or without such files.
        ValueError: Two files have one name.
    """
    suffixes = (suffix,) if suffix else (*NIFTI_SUFFIXES, *IMAGE_SUFFIXES)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder')
    found: dict[str, Path] = {}
    for path in sorted(set(folder.iterdir()) - set(leave_out)):
        ends = [end for end in suffixes if path.name.lower().endswith(end.lower())]
        if not ends or path.name.startswith('.'):
            continue
        name = path.name[: -len(ends[0])]
        if name in found:
            raise ValueError(
                f'{path} and {found[name]} have the same name but for the suffix, '
                'wanted one file per name'
            )
        found[name] = path
    if not found:
        raise FileNotFoundError(
            f'{folder}: no file in it whose name ends in {", ".join(suffixes)}'
        )
    return found


def split_cases(names: list[str], patient: str | None, seed: int) -> dict[str, list]:
    """Return the names of each split; those of one patient are not divided.

    Raises:
        ValueError: A name holds no patient.
    """
    groups = {}
    for name in names:
        match = re.search(patient, name) if patient else None
        if patient and match is None:
            raise ValueError(f'{name}: holds no patient that matches {patient!r}')
        groups[name] = match[0] if match else name
    train = split_groups(list(groups.values()), 'train', seed, TRAIN_PERCENT)
    return {
        'train': [name for name in names if groups[name] in train],
        'test': [name for name in names if groups[name] not in train],
    }


def settings(args: argparse.Namespace) -> dict:
    """Return what the output depends on."""
    made_with = {key: value for key, value in vars(args).items() if key != 'o'}
    made_with |= {key: str(made_with[key].resolve()) for key in ('i', 'gt')}
    return made_with


def prepare(folder: Path, made_with: dict, split: dict) -> None:
    """Make the output folder, or check that one is to be continued.

    Raises:
        FileExistsError: The folder holds something else.
        ValueError: It was made with other settings, or of other cases.
    """
    open_output_folder(folder, {'settings.json': made_with, 'split.json': split})
    for part in ('train', 'test'):
        for kind in ('images', 'masks', 'npz'):
            (folder / part / kind).mkdir(parents=True, exist_ok=True)
    (folder / 'cases').mkdir(exist_ok=True)


def convert(cases: list[Case], args: argparse.Namespace, split: dict) -> list[dict]:
    """Convert what is not converted yet, one case after the other.

    Returns:
        What ``cases/CASE.json`` holds, of all cases.

    Raises:
        OSError: A file cannot be written.
        ValueError: A file is damaged or does not fit, or no case has a label.
    """
    part_of = {name: part for part in split for name in split[part]}
    done = {case.name: args.o / 'cases' / f'{case.name}.json' for case in cases}
    todo = [case for case in cases if not done[case.name].exists()]
    records = [
        json.loads(path.read_text(encoding='utf-8'))
        for path in done.values()
        if path.exists()
    ]
    if records:
        print(f'{len(records)} of {len(cases)} cases are there already')
    for case in track_iter_progress(todo) if todo else ():
        record = convert_case(case, args, args.o / part_of[case.name])
        record['split'] = part_of[case.name]
        write_json(done[case.name], record)
        records.append(record)
    if not any(record['slices'] for record in records):
        raise ValueError(f'{args.gt}: no label is left in any of {len(cases)} cases')
    return records


def convert_case(case: Case, args: argparse.Namespace, folder: Path) -> dict:
    """Write slices and npz of a case and return its record."""
    raw = case.read_labels()
    try:
        labels = whole_labels(raw, args.remove_labels)
    except ValueError as error:
        raise ValueError(f'{case.labels_path}: {error}') from error
    del raw  # may be eight times the size
    in_volume = {}
    if isinstance(case, VolumeCase):
        in_volume = drop_small_objects(labels, args.min_voxels)
    in_slices: dict[int, list[int]] = {}
    for part in labels:
        for label, counts in drop_small_objects(part, args.min_pixels).items():
            total = in_slices.setdefault(label, [0, 0])
            in_slices[label] = [a + b for a, b in zip(total, counts)]
    kept = np.flatnonzero(args.all_slices | labels.any(axis=(1, 2)))
    if kept.size:
        imgs, gts = case.read_image(args.window)[kept], labels[kept]
        for index, image, mask in zip(kept, imgs, gts):
            name = f'{case.slice_name(index)}.png'
            write_png(folder / 'images' / name, image)
            write_png(folder / 'masks' / name, mask)
        path = folder / 'npz' / f'{case.name}.npz'
        write_medsam_npz(path, case.npz(imgs, gts, kept))
    return dict(
        name=case.name,
        slices=kept.tolist(),
        labels=np.setdiff1d(labels, 0).tolist(),
        spacing_of_axes_mm=case.spacing,
        dropped_in_volume=in_volume,
        dropped_in_slices=dict(sorted(in_slices.items())),
    )


def write_preview(folder: Path) -> None:
    """Draw slices of all cases, evenly chosen, into ``preview.png``."""
    found = sorted(folder.glob('*/images/*.png'))
    chosen = np.unique(np.linspace(0, len(found) - 1, PREVIEWED).round().astype(int))
    pictures = []
    for path in (found[i] for i in chosen):
        mask = path.parents[1] / 'masks' / path.name
        title = f'{path.parts[-3]}: {path.stem}'
        pictures.append((title, read_image(str(path)), read_image(str(mask))))
    write_png(folder / 'preview.png', contact_sheet(pictures))


def print_summary(args: argparse.Namespace, records: list[dict]) -> None:
    """Say what is there and what was dropped."""
    print(f'\n{args.o}: look at preview.png')
    for part in ('train', 'test'):
        of_part = [record for record in records if record['split'] == part]
        slices = sum(len(record['slices']) for record in of_part)
        print(f'{part}: {len(of_part)} cases, {slices} slices')
    empty = [record['name'] for record in records if not record['labels']]
    if empty:
        print(f'without any label left: {len(empty)} cases, the first is {empty[0]}')
    labels = sorted(set().union(*(record['labels'] for record in records)))
    print(f'labels: {labels}')
    if IGNORED in labels:
        print(
            f'MMSeg ignores label {IGNORED}, unless a data set has '
            f'label_values={{0: 0, {IGNORED}: 1}}'
        )
    print(f'labels removed: {args.remove_labels or "none"}')
    for where, least, unit in (
        ('volume', args.min_voxels, 'voxels'),
        ('slices', args.min_pixels, 'pixels'),
    ):
        for label, (objects, size) in dropped(records, f'dropped_in_{where}').items():
            print(
                f'dropped in {where}, label {label}: {objects} objects of fewer than '
                f'{least} {unit}, {size} {unit} in all'
            )
    if records[0]['spacing_of_axes_mm']:
        print(
            'spacing in npz: mm along (slice, row, column), the axes of the arrays; '
            'the released code writes (x, y, z)'
        )


def dropped(records: list[dict], key: str) -> dict[int, tuple[int, int]]:
    """Sum what was dropped of each label, over all cases."""
    totals: dict[int, tuple[int, int]] = {}
    for record in records:
        # JSON turns the labels into text.
        for label, (objects, size) in record[key].items():
            before = totals.get(int(label), (0, 0))
            totals[int(label)] = before[0] + objects, before[1] + size
    return dict(sorted(totals.items()))


if __name__ == '__main__':
    sys.exit(main())
