"""The competition's files to slices and back: contents, interrupted, broken."""

import csv
import hashlib
import importlib.util
import itertools
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from mmseg_universeg.utils.image_io import read_image
from mmseg_universeg.utils.run_length import encode_runs

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'uw_madison_gi.py'
ORGANS = ('large_bowel', 'small_bowel', 'stomach')
SIZE = (14, 20)  # height, width


class Done(NamedTuple):
    """What a run of the tool ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Run the tool with these arguments, in this process because it is quicker."""
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    draw = tool.contact_sheet
    monkeypatch.setattr(tool, 'contact_sheet', lambda _: np.zeros((2, 960), np.uint8))

    def call(*arguments: str | Path) -> Done:
        status = tool.main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    call.tool, call.draw = tool, draw
    return call


class Source:
    """A competition folder: three cases, two days, two slices each, organs overlap."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.masks: dict[str, np.ndarray] = {}
        rng = np.random.default_rng(0)
        for case, day, index in itertools.product((7, 20, 100), (0, 12), (1, 2)):
            name = f'case{case}_day{day}_slice_{index:04d}'
            self.masks[name] = rng.random((*SIZE, 3)) < 0.4
            self.save(name, rng.integers(0, 15000, SIZE, np.uint16))
        self.write()

    def path(self, name: str, size: tuple[int, int] = SIZE) -> Path:
        scan, index = name.split('_slice_')
        folder = self.root / 'train' / scan.split('_')[0] / scan / 'scans'
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f'slice_{index}_{size[1]}_{size[0]}_1.50_1.63.png'

    def save(self, name: str, image: np.ndarray, size: tuple[int, int] = SIZE) -> None:
        assert cv2.imwrite(str(self.path(name, size)), image)

    def rows(self, order: str = 'row') -> list[list[str]]:
        return [
            [name, organ, encode_runs(masks[..., place], order)]
            for name, masks in self.masks.items()
            for place, organ in enumerate(ORGANS)
        ]

    def write(self, rows: list[list[str]] | None = None) -> None:
        with (self.root / 'train.csv').open('w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(['id', 'class', 'segmentation'])
            writer.writerows(self.rows() if rows is None else rows)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / 'in')


@pytest.fixture
def prepare(tmp_path: Path, source: Source, run: Callable) -> Callable[..., Done]:
    """Prepare the source into ``out``, in three folds."""

    def call(*options: str, out: str = 'out') -> Done:
        folds = () if '--folds' in options else ('--folds', 3)
        return run('prepare', source.root, '-o', tmp_path / out, *folds, *options)

    return call


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_real_slices_and_back(tmp_path: Path, data_root: Path, run: Callable) -> None:
    root, out = data_root / 'uw_madison_gi', tmp_path / 'out'
    run.tool.contact_sheet = run.draw
    done = run('prepare', root, '-o', out)
    assert done.returncode == 0, done.stderr
    assert '12 cases, 22 days, 36 slices' in done.stdout
    sources = sorted(root.glob('train/*/*/scans/*.png'))
    with (root / 'train.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    runs = {(row['id'], row['class']): row['segmentation'] for row in rows}
    pixels = dict.fromkeys(ORGANS, 0)
    for path in sources:
        name = f'{path.parts[-3]}_{"_".join(path.stem.split("_")[:2])}'
        copy = out / 'images' / f'{name}.png'
        assert copy.read_bytes() == path.read_bytes()
        assert read_image(str(copy)).dtype == np.uint16
        width, height = map(int, path.stem.split('_')[2:4])
        masks = read_image(str(out / 'masks' / f'{name}.png'))
        assert masks.shape == (height, width, 3)
        for place, organ in enumerate(ORGANS):
            # Pixel by pixel, along rows.
            flat = np.zeros(height * width, np.uint8)
            numbers = list(map(int, runs[name, organ].split()))
            for start, length in zip(numbers[::2], numbers[1::2]):
                flat[start - 1 : start - 1 + length] = 255
            np.testing.assert_array_equal(masks[..., place].ravel(), flat)
            pixels[organ] += sum(numbers[1::2])
    report = read_json(out / 'report.json')
    assert report['pixels'] == pixels
    assert report['slices_with']['stomach'] == sum(
        bool(text) for (_, organ), text in runs.items() if organ == 'stomach'
    )
    assert report['left_out'] == {} and report['overlap_pixels'] == 0
    assert report['cases_of_one_slice'] == ['case123', 'case125']
    # Of the data as they lie here: 74 is square, 76 is not.
    assert 'case118_day16_266_266_1.50_1.50' in report['scans_of_several_sizes']
    folds = read_json(out / 'folds.json')['cases']
    assert len(folds) == 12 and set(folds.values()) == set(range(5))
    assert sum(fold['slices'] for fold in report['folds']) == 36
    assert read_image(str(out / 'preview.png')).shape[1] == 960

    back = tmp_path / 'submission.csv'
    assert run('submit', out / 'masks', '-o', back).returncode == 0
    with back.open(newline='') as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ['id', 'class', 'predicted']
        found = {(row['id'], row['class']): row['predicted'] for row in reader}
    assert found == runs


def test_records_folds_and_report(tmp_path: Path, source: Source, prepare: Callable):
    done = prepare()
    assert done.returncode == 0, done.stderr
    out = tmp_path / 'out'
    record = read_json(out / 'cases' / 'case20.json')
    names = [part['name'] for part in record['slices']]
    # 12 after 0, in the order of numbers.
    assert [name.split('_')[1] for name in names] == ['day0'] * 2 + ['day12'] * 2
    first = record['slices'][0]
    masks = source.masks['case20_day0_slice_0001']
    assert first == dict(
        name='case20_day0_slice_0001',
        scan='case20_day0',
        day='day0',
        slice_index=1,
        geometry='20_14_1.50_1.63',
        spacing_of_axes_mm=[3.0, 1.63, 1.5],
        pixels=masks.sum(axis=(0, 1)).tolist(),
        overlap_pixels=int((masks.sum(axis=-1) > 1).sum()),
    )
    for name, masks in source.masks.items():
        written = read_image(str(out / 'masks' / f'{name}.png'))
        np.testing.assert_array_equal(written, 255 * masks)
    folds = read_json(out / 'folds.json')
    assert folds['folds'] == 3
    assert sorted(folds['cases'].values()) == [0, 1, 2]
    assert list(folds['cases']) == ['case7', 'case20', 'case100']
    assert '3 cases, 6 days, 12 slices' in done.stdout
    total = sum(masks[..., 0].sum() for masks in source.masks.values())
    assert f'large_bowel: {total} pixels in 12 slices' in done.stdout
    assert 'left out: 0' in done.stdout


def test_order_of_runs(tmp_path: Path, source: Source, prepare: Callable) -> None:
    assert prepare().returncode == 0
    source.write(source.rows('column'))
    assert prepare('--order', 'column', out='columns').returncode == 0
    assert prepare(out='wrong').returncode == 0
    name = 'masks/case7_day0_slice_0001.png'
    masks, columns, wrong = (
        files(tmp_path / out)[name] for out in ('out', 'columns', 'wrong')
    )
    assert masks == columns != wrong


def test_submission_in_both_orders(
    tmp_path: Path, source: Source, prepare: Callable, run: Callable
) -> None:
    assert prepare().returncode == 0
    path = tmp_path / 'submission.csv'
    for order in ('row', 'column'):
        done = run('submit', tmp_path / 'out/masks', '-o', path, '--order', order)
        assert done.returncode == 0 and '12 slices' in done.stdout
        with path.open(newline='') as file:
            assert list(csv.reader(file))[1:] == source.rows(order)


def test_submissions_that_are_refused(tmp_path: Path, run: Callable) -> None:
    masks, path = tmp_path / 'masks', tmp_path / 'submission.csv'
    masks.mkdir()
    done = run('submit', masks, '-o', path)
    assert done.returncode == 1 and 'masks: no PNG file in it' in done.stderr
    name = 'case1_day2_slice_0003.png'
    for file, shape, value, message in (
        ('other.png', (4, 5, 3), 0, 'other: wanted a name like case101_day20_slice'),
        (name, (4, 5), 0, f'{name}: is uint8 (4, 5), wanted a mask of 8 bits'),
        (name, (4, 5, 3), 1, f'{name}: holds [1], wanted 0 and 255'),
        (name, (4, 5, 4), 0, f'{name}: has 4 channels, wanted 3: large_bowel'),
    ):
        cv2.imwrite(str(masks / file), np.full(shape, value, np.uint8))
        done = run('submit', masks, '-o', path)
        assert done.returncode == 1 and message in done.stderr
        (masks / file).unlink()
    assert list(tmp_path.iterdir()) == [masks]


NAME = 'case20_day0_slice_0001'


def test_broken_entries_by_name(source: Source, prepare: Callable, tmp_path: Path):
    bad = [f'case20_day{day}_slice_{i:04d}' for day in (0, 12) for i in (1, 2)]
    rows = {(name, organ): runs for name, organ, runs in source.rows()}
    rows[bad[0], 'stomach'] = '270 30'
    rows[bad[1], 'stomach'] = '5 2 9'
    source.path(bad[2]).unlink()
    del rows[bad[3], 'stomach']
    lone = 'case7_day0_slice_0001'
    rows = [[*key, runs] for key, runs in rows.items() if key[0] != lone]
    double, clash = 'case100_day0_slice_0001', 'case100_day0_slice_0002'
    rows += [row for row in rows if row[0] == double and row[1] == 'stomach']
    rows += [[clash, 'small_bowel', '1 1'], ['case100_day12_slice_0001', 'liver', '']]
    rows += [['case100_day12_slice_0002', 'stomach']]
    source.write(rows)
    done = prepare('--folds', '2')
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / 'out' / 'report.json')
    for name, message in (
        (bad[0], 'stomach: run 270 30 goes past the image, which has 14 x 20 = 280'),
        (bad[1], 'stomach: runs are 3 numbers, an odd count'),
        (bad[2], 'has rows in train.csv and no file'),
        (bad[3], 'has no row for stomach, wanted one for each organ'),
        (lone, 'has a file and no row in train.csv'),
        (clash, 'small_bowel has more than one row, line 35 has other runs'),
        ('case100_day12_slice_0001', "line 36 has class 'liver' and runs"),
        ('case100_day12_slice_0002', "line 37 has class 'stomach' and no runs"),
    ):
        assert any(message in text for text in report['left_out'][name]), name
        assert f'  {name}: ' in done.stdout and message in done.stdout
        assert not (tmp_path / 'out' / 'images' / f'{name}.png').exists()
    assert len(report['left_out']) == 8
    assert list(report['doubled_rows']) == [double]
    assert 'stomach has more than one row, line 34 repeats it' in done.stdout
    assert (tmp_path / 'out' / 'masks' / f'{double}.png').exists()
    assert report['slices'] == 4
    assert '1 cases of one slice: case100' in done.stdout
    assert '1 cases of which nothing is left: case20' in done.stdout
    assert set(read_json(tmp_path / 'out' / 'folds.json')['cases']) == {
        'case7',
        'case100',
    }


@pytest.mark.parametrize(
    ('what', 'name', 'message'),
    [
        ('size', NAME, 'is 14 wide and 20 high, wanted 20 and 14 as in its name'),
        ('8 bits', NAME, 'is uint8 (14, 20), wanted 16-bit grey'),
        ('truncated', NAME, 'cannot be read as an image'),
        ('two files', NAME, 'has 2 files, slice_0001_14_20_1.50_1.63.png and '),
        (
            'name',
            'case20/case20_day0/scans/slice_one.png',
            'wanted a name like case1/case1_day2/scans/slice_0003',
        ),
        (
            'folder',
            'case20/case7_day0/scans/slice_0001_20_14_1.50_1.50.png',
            'wanted a name like',
        ),
        ('folder', 'case7/case7_day0/slice_0001_20_14_1.50_1.50.png', 'wanted a name'),
    ],
)
def test_broken_files_by_name(
    tmp_path: Path, source: Source, prepare: Callable, what: str, name: str, message
) -> None:
    path = source.path(NAME)
    image = read_image(str(path))
    if what == 'size':
        source.save(NAME, image.T)
    elif what == '8 bits':
        source.save(NAME, image.astype(np.uint8))
    elif what == 'truncated':
        path.write_bytes(path.read_bytes()[:-50])
    elif what == 'two files':
        source.save(NAME, image.T, size=SIZE[::-1])
    else:
        other = source.root / 'train' / name
        other.parent.mkdir(exist_ok=True, parents=True)
        path.rename(other)
    done = prepare()
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / 'out' / 'report.json')
    assert message in report['left_out'][name][0]
    if what in ('name', 'folder'):
        assert report['left_out'].pop(NAME) == ['has rows in train.csv and no file']
    assert list(report['left_out']) == [name] and report['slices'] == 11
    assert f'{name}: ' in done.stdout and message in done.stdout


def test_what_was_left_out_is_tried_again(
    tmp_path: Path, source: Source, prepare: Callable
) -> None:
    whole = source.path(NAME).read_bytes()
    source.path(NAME).write_bytes(b'')
    assert prepare().returncode == 0
    source.path(NAME).write_bytes(whole)
    done = prepare()
    assert done.returncode == 0 and '2 of 3 cases are there already' in done.stdout
    assert prepare(out='other').returncode == 0
    assert files(tmp_path / 'out') == files(tmp_path / 'other')


@pytest.mark.parametrize('kind', ['images', 'masks'])
def test_a_lost_file_is_made_again(
    tmp_path: Path, source: Source, prepare: Callable, kind: str
) -> None:
    assert prepare().returncode == 0
    before = files(tmp_path / 'out')
    (tmp_path / 'out' / kind / f'{NAME}.png').unlink()
    done = prepare()
    assert done.returncode == 0 and '2 of 3 cases are there already' in done.stdout
    assert files(tmp_path / 'out') == before


def test_scan_of_two_sizes_is_two_volumes(
    tmp_path: Path, source: Source, prepare: Callable
) -> None:
    path = source.path(NAME)
    source.save(NAME, read_image(str(path)).T, size=SIZE[::-1])
    path.unlink()
    source.masks[NAME] = source.masks[NAME].transpose(1, 0, 2)
    source.write()
    done = prepare()
    assert done.returncode == 0 and 'left out: 0' in done.stdout
    slices = read_json(tmp_path / 'out' / 'cases' / 'case20.json')['slices']
    scans = ['case20_day0_14_20_1.50_1.63', 'case20_day0_20_14_1.50_1.63']
    assert [part['scan'] for part in slices] == [*scans, 'case20_day12', 'case20_day12']
    assert f'2 parts of scans whose slices differ in size: {", ".join(scans)}' in (
        done.stdout
    )


def test_interrupted_and_run_again(
    tmp_path: Path, prepare: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare().returncode == 0
    encode, calls = cv2.imencode, itertools.count()

    def interrupted(*args: object) -> object:
        if next(calls) == 5:  # in the second case
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(cv2, 'imencode', interrupted)
    stopped = prepare(out='other')
    assert stopped.returncode == 130
    assert 'the same command finishes the rest' in stopped.stderr
    other = tmp_path / 'other'
    assert [path.name for path in (other / 'cases').iterdir()] == ['case7.json']
    assert not (other / 'folds.json').exists()
    # As a killed process leaves it.
    (other / 'images' / '.x.png.1.part').write_bytes(b'half')
    done = prepare(out='other')
    assert done.returncode == 0, done.stderr
    assert '1 of 3 cases are there already' in done.stdout
    assert files(other) == files(tmp_path / 'out')
    before = {path: path.stat().st_mtime_ns for path in other.glob('*/*')}
    assert prepare(out='other').returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in other.glob('*/*')}


def test_other_settings_and_folders(
    tmp_path: Path, source: Source, prepare: Callable
) -> None:
    assert prepare().returncode == 0
    before = files(tmp_path / 'out')
    for option, message in (
        (('--order', 'column'), "order='row', now it is 'column'"),
        (('--folds', '2'), 'folds=3, now it is 2'),
        (('--seed', '1'), 'seed=0, now it is 1'),
    ):
        done = prepare(*option)
        assert done.returncode == 1 and message in done.stderr
    old = hashlib.sha256((source.root / 'train.csv').read_bytes()).hexdigest()
    source.write(source.rows()[:-3])
    done = prepare()
    assert done.returncode == 1
    assert f"train_csv_sha256='{old[:4]}" in done.stderr
    assert files(tmp_path / 'out') == before
    done = prepare('--folds', '4', out='other')
    assert 'has 3 cases, wanted 2 --folds or more and a case for each' in done.stderr
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').touch()
    done = prepare(out='mine')
    assert 'holds thesis.txt and no settings.json' in done.stderr
    assert not (tmp_path / 'other').exists()


def test_sources_that_are_refused(
    tmp_path: Path, source: Source, prepare: Callable
) -> None:
    table = source.root / 'train.csv'
    table.write_text('id,class,predicted\n')
    assert "train.csv: columns are ['id', 'class', 'predicted']" in prepare().stderr
    table.write_bytes(b'\xff\xfe\x00')
    assert 'train.csv: ' in prepare().stderr
    table.unlink()
    assert 'No such file' in prepare().stderr
    source.write([])
    done = prepare()
    assert done.returncode == 1 and 'no slice is left of any of 3' in done.stderr
    (source.root / 'train').rename(source.root / 'elsewhere')
    assert 'train: no caseN/caseN_dayM/scans' in prepare(out='other').stderr


def test_slices_are_not_kept(
    source: Source, prepare: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.tool, 'write_preview', lambda *_: None)
    size = 200, 200
    image = np.random.default_rng(0).integers(0, 9999, size, np.uint16)
    peaks = []
    for number in (2, 12):
        for index in range(3, 3 + number):
            name = f'case7_day0_slice_{index:04d}'
            source.save(name, image, size=size)
            source.masks[name] = np.zeros((*size, 3), bool)
            source.masks[name][80:90, 50:150] = True
        source.write()
        tracemalloc.start()
        assert prepare(out=f'out{number}').returncode == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Not even half of the ten more images is kept.
    assert peaks[1] - peaks[0] < 5 * image.nbytes
