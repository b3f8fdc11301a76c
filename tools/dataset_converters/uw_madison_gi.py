r"""Make slices and masks of the UW-Madison GI tract competition, and its submission.

The folder that Kaggle's archive unpacks to, with train.csv and train/, into slices that
UWMadisonGIDataset reads:

    python tools/dataset_converters/uw_madison_gi.py prepare \
        uw-madison-gi-tract-image-segmentation -o data/uw_madison_gi_slices

    settings.json    what it was made with
    images           the 16-bit files as they are, named by their id in train.csv
    masks            RGB pictures: red large bowel, green small bowel, blue stomach,
                     each 0 or 255; where organs overlap, the sum of their colours
    cases/CASE.json  of each slice its scan, place, spacing and pixels per organ
    folds.json       fold of every case: folds divide no case and hold about as many
                     slices with each combination of organs
    report.json      what was read; what was left out, by name, and why
    preview.png      some slices with their organs: look at it

What is wrong (runs that leave the image, rows without file, files without row, ...) is
left out slice by slice, said at the end and noted in report.json. The same command
again finishes what was interrupted and tries files again that were left out; another
train.csv or other settings need another folder.

The competition describes its runs as counted down the columns, but writes them along
the rows; --order column is for files that follow the description.

The reverse, of masks as above, named by their id, that UWMadisonMetric(output_dir=...)
writes of predictions, for slices with a truth (the competition's test slices are not
published):

    python tools/dataset_converters/uw_madison_gi.py submit work_dirs/masks \
        -o submission.csv
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress

from mmseg_universeg.datasets.splits import stratified_folds
from mmseg_universeg.datasets.transforms.intensity import MinMaxNormalize
from mmseg_universeg.datasets.transforms.multi_label import read_multi_label_mask
from mmseg_universeg.datasets.uw_madison_scans import (
    ORGANS,
    Problems,
    SliceFile,
    draw_organs,
    find_slices,
    read_rows,
    read_slice_image,
    slice_order,
)
from mmseg_universeg.utils.contact_sheet import contact_sheet
from mmseg_universeg.utils.image_io import read_image
from mmseg_universeg.utils.output_folder import (
    open_output_folder,
    write_json,
    write_png,
)
from mmseg_universeg.utils.run_length import ORDERS, encode_runs
from mmseg_universeg.utils.whole_files import whole_file

PREVIEWED = 12
# In preview.png, after the organs.
OVERLAP = len(ORGANS) + 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parse_args(arguments)
    try:
        if args.command == 'submit':
            submit(args.masks, args.o, args.order)
        else:
            prepare(args)
    except (OSError, ValueError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ninterrupted; the same command finishes the rest', file=sys.stderr)
        return 130
    return 0


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True)
    prepare = commands.add_parser('prepare', help='slices and masks of train.csv')
    prepare.add_argument('source', type=Path, help='folder of the competition')
    prepare.add_argument('-o', type=Path, required=True, metavar='FOLDER')
    prepare.add_argument(
        '--folds', type=int, default=5, metavar='N', help='how many (default: 5)'
    )
    prepare.add_argument('--seed', type=int, default=0, help='of folds (default: 0)')
    submit = commands.add_parser('submit', help='CSV file of predicted masks')
    submit.add_argument('masks', type=Path, help='folder of masks')
    submit.add_argument('-o', type=Path, required=True, metavar='FILE')
    for command in (prepare, submit):
        command.add_argument(
            '--order',
            choices=list(ORDERS),
            default='row',
            help='along what runs count pixels (default: row)',
        )
    return parser.parse_args(arguments)


def prepare(args: argparse.Namespace) -> None:
    """Convert what is not converted yet, then divide and report.

    Raises:
        FileExistsError: The output folder holds something else.
        FileNotFoundError: No train.csv, or no slice.
        OSError: A file cannot be written.
        ValueError: Other settings than before, no slice is left, or fewer cases than
            folds.
    """
    table = args.source / 'train.csv'
    rows, bad_rows, doubled = read_rows(table)
    slices, left_out = find_slices(args.source)
    add_problems(left_out, unmatched(slices, rows, left_out))
    add_problems(left_out, bad_rows)
    cases: dict[str, list[SliceFile]] = {}
    for part in slices:
        cases.setdefault(part.case, []).append(part)
    if not 2 <= args.folds <= len(cases):
        raise ValueError(
            f'{args.source}: has {len(cases)} cases, wanted 2 --folds or more and a '
            f'case for each, found {args.folds}'
        )
    made_with = dict(
        source=str(args.source.resolve()),
        train_csv_sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
        order=args.order,
        folds=args.folds,
        seed=args.seed,
    )
    open_output_folder(args.o, {'settings.json': made_with})
    for kind in ('images', 'masks', 'cases'):
        (args.o / kind).mkdir(exist_ok=True)
    whole = {
        case: [part for part in parts if part.name not in left_out]
        for case, parts in cases.items()
    }
    records = convert(whole, rows, args.o, args.order)
    folds = divide(records, args.folds, args.seed)
    write_json(args.o / 'folds.json', dict(folds=args.folds, cases=folds))
    for record in records:
        add_problems(left_out, record['left_out'])
    report = summarise(records, folds, left_out, doubled)
    write_json(args.o / 'report.json', report)
    write_preview(args.o, records)
    print_report(args.o, report)


def add_problems(problems: Problems, more: Problems) -> None:
    """Add to the problems of each name, in place."""
    for name, texts in more.items():
        problems[name] = problems.get(name, []) + texts


def unmatched(slices: list[SliceFile], rows: dict, known: Problems) -> Problems:
    """Find files without row and rows without file."""
    files = {part.name for part in slices}
    alone = {name: ['has a file and no row in train.csv'] for name in files - set(rows)}
    lost = set(rows) - files - set(known)
    return alone | {name: ['has rows in train.csv and no file'] for name in lost}


def convert(
    cases: dict[str, list[SliceFile]], rows: dict, folder: Path, order: str
) -> list[dict]:
    """Convert what is not converted yet, one case after the other.

    Returns:
        What ``cases/CASE.json`` holds, of all cases.

    Raises:
        OSError: A file cannot be written.
        ValueError: No slice is left.
    """
    records = {}
    for case, parts in cases.items():
        path = folder / 'cases' / f'{case}.json'
        record = json.loads(path.read_text('utf-8')) if path.exists() else None
        wanted = [part.name for part in parts]
        files = [
            folder / kind / f'{name}.png'
            for name in wanted
            for kind in ('images', 'masks')
        ]
        if (
            record
            and [part['name'] for part in record['slices']] == wanted
            and all(file.exists() for file in files)
        ):
            records[case] = record
    if records:
        print(f'{len(records)} of {len(cases)} cases are there already')
    todo = [case for case in cases if case not in records]
    for case in track_iter_progress(todo) if todo else ():
        records[case] = convert_case(case, cases[case], rows, folder, order)
        write_json(folder / 'cases' / f'{case}.json', records[case])
    if not any(record['slices'] for record in records.values()):
        raise ValueError(f'{folder}: no slice is left of any of {len(cases)} cases')
    return [records[case] for case in cases]


def convert_case(
    case: str, parts: list[SliceFile], rows: dict, folder: Path, order: str
) -> dict:
    """Write images and masks of a case and return its record."""
    slices, left_out = [], {}
    for part in parts:
        try:
            read_slice_image(part)
            masks = draw_organs(rows[part.name], part.size, order)
        except ValueError as error:
            left_out[part.name] = [str(error)]
            continue
        with whole_file(folder / 'images' / f'{part.name}.png') as file:
            file.write(part.path.read_bytes())
        write_png(folder / 'masks' / f'{part.name}.png', masks * np.uint8(255))
        slices.append(
            dict(
                name=part.name,
                scan=f'{case}_{part.day}',
                day=part.day,
                slice_index=part.index,
                geometry=part.geometry,
                spacing_of_axes_mm=part.spacing,
                pixels=masks.sum(axis=(0, 1)).tolist(),
                overlap_pixels=int((masks.sum(axis=-1) > 1).sum()),
            )
        )
    # A volume has one size: slices of several make a volume each.
    geometries: dict[str, set[str]] = {}
    for record in slices:
        geometries.setdefault(record['scan'], set()).add(record['geometry'])
    for record in slices:
        if len(geometries[record['scan']]) > 1:
            record['scan'] += f'_{record["geometry"]}'
    return dict(name=case, slices=slices, left_out=left_out)


def divide(records: list[dict], num_folds: int, seed: int) -> dict[str, int]:
    """Return the fold of every case that has slices.

    Raises:
        ValueError: Fewer cases than folds.
    """
    counts = {}
    for record in records:
        # One of eight combinations of organs for each slice.
        kinds = [
            sum(1 << place for place, pixels in enumerate(part['pixels']) if pixels)
            for part in record['slices']
        ]
        if kinds:
            counts[record['name']] = np.bincount(kinds, minlength=8).tolist()
    return stratified_folds(counts, num_folds, seed)


def summarise(
    records: list[dict], folds: dict[str, int], left_out: Problems, doubled: Problems
) -> dict:
    """Count what was read, and gather what is worth knowing by name."""
    slices = [part for record in records for part in record['slices']]
    of_scan = Counter(part['scan'] for part in slices)
    of_fold: dict[int, list[dict]] = {fold: [] for fold in sorted(folds.values())}
    for record in records:
        for part in record['slices']:
            of_fold[folds[record['name']]].append(part)
    days = {part['name'].split('_slice_')[0] for part in slices}
    return dict(
        cases=len(folds),
        days=len(days),
        slices=len(slices),
        pixels=dict(zip(ORGANS, np.sum([p['pixels'] for p in slices], 0).tolist())),
        slices_with=slices_with(slices),
        overlap_pixels=sum(part['overlap_pixels'] for part in slices),
        folds=[
            dict(
                cases=sum(fold == k for fold in folds.values()),
                slices=len(parts),
                slices_with=slices_with(parts),
            )
            for k, parts in of_fold.items()
        ],
        left_out=dict(sorted(left_out.items())),
        doubled_rows=dict(sorted(doubled.items())),
        cases_of_one_slice=[r['name'] for r in records if len(r['slices']) == 1],
        scans_of_one_slice=sorted(scan for scan, n in of_scan.items() if n == 1),
        scans_of_several_sizes=sorted(of_scan.keys() - days),
        cases_left_out=[r['name'] for r in records if not r['slices']],
    )


def slices_with(slices: list[dict]) -> dict[str, int]:
    """Count the slices in which each organ is."""
    return {
        organ: sum(part['pixels'][place] > 0 for part in slices)
        for place, organ in enumerate(ORGANS)
    }


def write_preview(folder: Path, records: list[dict]) -> None:
    """Draw slices of all cases, evenly chosen, into ``preview.png``."""
    names = [part['name'] for record in records for part in record['slices']]
    chosen = np.unique(np.linspace(0, len(names) - 1, PREVIEWED).round().astype(int))
    pictures = []
    for name in (names[i] for i in chosen):
        image = read_image(str(folder / 'images' / f'{name}.png'))
        grey = MinMaxNormalize(percentiles=(1, 99))(dict(img=image))['img']
        masks = read_multi_label_mask(str(folder / 'masks' / f'{name}.png'))
        labels = (masks * np.arange(1, OVERLAP, dtype=np.uint8)).max(axis=-1)
        labels[masks.sum(axis=-1) > 1] = OVERLAP
        pictures.append((name, (255 * grey).astype(np.uint8), labels))
    write_png(folder / 'preview.png', contact_sheet(pictures))


def print_report(folder: Path, report: dict) -> None:
    """Say what is there and what was left out."""
    print(
        f'\n{folder}: {report["cases"]} cases, {report["days"]} days, '
        f'{report["slices"]} slices'
    )
    for organ in ORGANS:
        print(
            f'{organ}: {report["pixels"][organ]} pixels in '
            f'{report["slices_with"][organ]} slices'
        )
    print(f'pixels of more than one organ: {report["overlap_pixels"]}')
    for number, fold in enumerate(report['folds']):
        organs = ', '.join(f'{n} {organ}' for organ, n in fold['slices_with'].items())
        print(
            f'fold {number}: {fold["cases"]} cases, {fold["slices"]} slices; with '
            f'{organs}'
        )
    for key, what in (
        ('cases_of_one_slice', 'cases of one slice'),
        ('scans_of_one_slice', 'scans of one slice, without neighbours'),
        ('scans_of_several_sizes', 'parts of scans whose slices differ in size'),
        ('cases_left_out', 'cases of which nothing is left'),
    ):
        if report[key]:
            print(f'{len(report[key])} {what}: {", ".join(report[key])}')
    for key, what in (
        ('doubled_rows', 'slices whose rows are doubled'),
        ('left_out', 'left out'),
    ):
        print(f'{what}: {len(report[key])}')
        for name, texts in report[key].items():
            print(f'  {name}: {"; ".join(texts)}')
    labels = ', '.join(f'{place} {organ}' for place, organ in enumerate(ORGANS, 1))
    print(f'look at preview.png: {labels}, {OVERLAP} several of them')


def submit(folder: Path, path: Path, order: str) -> None:
    """Write masks as the competition's submission.

    Raises:
        FileNotFoundError: No mask in the folder.
        OSError: The file cannot be written.
        ValueError: A mask has another name than slices have, other channels or values.
    """
    names = sorted((p.stem for p in folder.glob('[!.]*.png')), key=slice_order)
    if not names:
        raise FileNotFoundError(
            f'{folder}: no PNG file in it, wanted masks that UWMadisonMetric('
            'output_dir=...) writes'
        )
    with whole_file(path) as file:
        file.write(b'id,class,predicted\n')
        for name in track_iter_progress(names):
            masks = read_multi_label_mask(str(folder / f'{name}.png'))
            if masks.shape[-1] != len(ORGANS):
                raise ValueError(
                    f'{folder / name}.png: has {masks.shape[-1]} channels, wanted '
                    f'{len(ORGANS)}: {", ".join(ORGANS)}'
                )
            for place, organ in enumerate(ORGANS):
                runs = encode_runs(masks[..., place] > 0, order)
                file.write(f'{name},{organ},{runs}\n'.encode())
    print(f'\n{path}: {len(names)} slices')


if __name__ == '__main__':
    sys.exit(main())
