"""Slices of the UW-Madison GI tract competition, in its own layout."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_universeg.utils.image_io import read_image
from mmseg_universeg.utils.run_length import decode_runs

# As in train.csv; channels and classes have this order.
ORGANS = ('large_bowel', 'small_bowel', 'stomach')
# Of all scans, mm, by the competition's description of its data.
SLICE_THICKNESS = 3.0

_PLACE = re.compile(
    r'(?P<case>case\d+)/(?P=case)_(?P<day>day\d+)/scans/slice_(?P<slice>\d+)_'
    r'(?P<geometry>(?P<width>\d+)_(?P<height>\d+)_(?P<sx>\d+\.\d+)_(?P<sy>\d+\.\d+))'
    r'\.png'
)
_COLUMNS = ['id', 'class', 'segmentation']

Problems = dict[str, list[str]]


@dataclass(frozen=True)
class SliceFile:
    """A slice and what its place and name say of it.

    Attributes:
        name: As in train.csv, ``'case101_day20_slice_0078'``.
        case: ``'case101'``.
        day: ``'day20'``.
        index: Place in the scan, from the file's name.
        path: The file.
        size: (height, width).
        spacing: Size of a voxel in mm along (slice, row, column).
        geometry: Sizes and spacings as the name has them, ``'360_310_1.50_1.50'``.
    """

    name: str
    case: str
    day: str
    index: int
    path: Path
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    geometry: str


def find_slices(folder: Path) -> tuple[list[SliceFile], Problems]:
    """Find the slices of all cases, from their names alone.

    Args:
        folder: The competition's folder, with
            ``train/caseN/caseN_dayM/scans/slice_XXXX_W_H_sx_sy.png``: width and height
            in pixels, size of a pixel along them in mm.

    Returns:
        The slices, by case, day and place, and what is wrong, by name: a file with
        another name or in another place, or two files of one slice.

    Raises:
        FileNotFoundError: No such file at all.
    """
    train = folder / 'train'
    found: dict[str, list[SliceFile]] = {}
    problems: Problems = {}
    for path in sorted(train.rglob('*')):
        if path.is_dir() or path.name.startswith('.'):
            continue
        place = path.relative_to(train).as_posix()
        match = _PLACE.fullmatch(place)
        if match is None:
            problems[place] = [
                'wanted a name like case1/case1_day2/scans/slice_0003_266_266_1.50_1.50'
                '.png'
            ]
            continue
        part = SliceFile(
            name=f'{match["case"]}_{match["day"]}_slice_{match["slice"]}',
            case=match['case'],
            day=match['day'],
            index=int(match['slice']),
            path=path,
            size=(int(match['height']), int(match['width'])),
            spacing=(SLICE_THICKNESS, float(match['sy']), float(match['sx'])),
            geometry=match['geometry'],
        )
        found.setdefault(part.name, []).append(part)
    if not found:
        raise FileNotFoundError(
            f'{train}: no caseN/caseN_dayM/scans/slice_*.png in it, wanted the folder '
            'of the competition'
        )
    for name, parts in found.items():
        if len(parts) > 1:
            files = ' and '.join(part.path.name for part in parts)
            problems[name] = [f'has {len(parts)} files, {files}; wanted one']
    alone = [parts[0] for parts in found.values() if len(parts) == 1]
    return sorted(alone, key=lambda part: slice_order(part.name)), problems


def slice_order(name: str) -> tuple[int, ...]:
    """Key to sort names of slices by case, day and place.

    Raises:
        ValueError: No name like ``'case101_day20_slice_0078'``.
    """
    match = re.fullmatch(r'case(\d+)_day(\d+)_slice_(\d+)', name)
    if match is None:
        raise ValueError(f'{name}: wanted a name like case101_day20_slice_0078')
    return tuple(map(int, match.groups()))


def read_rows(path: Path) -> tuple[dict[str, dict[str, str]], Problems, Problems]:
    """Read the runs of every slice and organ.

    Args:
        path: train.csv: columns id, class and segmentation, a row for each organ of
            each slice.

    Returns:
        Runs by slice, then by organ; what is wrong, by slice, whose runs are left out:
        a class of another name, or rows of an organ that are missing, cut off, or
        doubled with different runs; and rows doubled with the same runs, which do no
        harm.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Other columns, or not a CSV file.
    """
    rows: dict[str, dict[str, set[str]]] = {}
    problems: Problems = {}
    doubled: Problems = {}
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != _COLUMNS:
                raise ValueError(f'columns are {reader.fieldnames}, wanted {_COLUMNS}')
            for row in reader:
                name, organ, runs = (row[column] for column in _COLUMNS)
                of_slice = rows.setdefault(name, {})
                if None in row or organ not in ORGANS or runs is None:
                    problems.setdefault(name, []).append(
                        f'line {reader.line_num} has class {organ!r} and '
                        f'{"no runs" if runs is None else "runs"}, wanted three fields '
                        f'and one of {", ".join(ORGANS)}'
                    )
                elif organ in of_slice:
                    same = of_slice[organ] == {runs.strip()}
                    of_slice[organ].add(runs.strip())
                    (doubled if same else problems).setdefault(name, []).append(
                        f'{organ} has more than one row, line {reader.line_num} '
                        f'{"repeats it" if same else "has other runs"}'
                    )
                else:
                    of_slice[organ] = {runs.strip()}
    except (csv.Error, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error
    for name, of_slice in rows.items():
        missing = [organ for organ in ORGANS if organ not in of_slice]
        if missing:
            problems.setdefault(name, []).append(
                f'has no row for {" and ".join(missing)}, wanted one for each organ'
            )
    return (
        {
            name: {organ: min(runs) for organ, runs in of_slice.items()}
            for name, of_slice in rows.items()
        },
        problems,
        doubled,
    )


def read_slice_image(part: SliceFile) -> np.ndarray:
    """Read the image of a slice.

    Returns:
        (H, W) uint16.

    Raises:
        ValueError: The file is damaged, not 16-bit grey, or of another size than its
            name says.
    """
    image = read_image(str(part.path))
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ValueError(
            f'{part.path.name}: is {image.dtype} {image.shape}, wanted 16-bit grey'
        )
    if image.shape != part.size:
        height, width = image.shape
        raise ValueError(
            f'{part.path.name}: is {width} wide and {height} high, wanted '
            f'{part.size[1]} and {part.size[0]} as in its name'
        )
    return image


def draw_organs(runs: dict[str, str], size: tuple[int, int], order: str) -> np.ndarray:
    """Draw the masks of the organs.

    Args:
        runs: By organ, for all of ``ORGANS``.
        size: (height, width).
        order: How the runs count pixels, see `decode_runs`.

    Returns:
        (H, W, 3) bool, channels in the order of ``ORGANS``.

    Raises:
        ValueError: Runs that cannot be drawn; names the organ.
    """
    masks = []
    for organ in ORGANS:
        try:
            masks.append(decode_runs(runs[organ], size, order))
        except ValueError as error:
            raise ValueError(f'{organ}: {error}') from error
    return np.stack(masks, axis=-1)
