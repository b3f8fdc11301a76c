"""Scans and pictures to slices and npz: what is in them, interrupted, refused."""

import functools
import importlib.util
import itertools
import json
import re
import resource
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import nibabel
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmengine.utils import track_iter_progress
from mmseg.datasets import BaseSegDataset

from mmseg_universeg.datasets import ImageMaskFolderDataset
from mmseg_universeg.utils.image_io import read_image
from mmseg_universeg.utils.medsam_npz import read_medsam_npz
from mmseg_universeg.utils.nifti import NiftiVolume

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'medsam.py'
SHAPE = (20, 24, 6)
TOWARDS = dict(
    R=(1, 0, 0), A=(0, 1, 0), S=(0, 0, 1), L=(-1, 0, 0), P=(0, -1, 0), I=(0, 0, -1)
)
SMALL = ('--min-voxels', '30', '--min-pixels', '8')


class Done(NamedTuple):
    """What a run of the tool ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture) -> Callable[..., Done]:
    """Run the tool with these arguments, in this process because it is quicker."""
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def call(*arguments: str | Path) -> Done:
        status = tool.main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    call.tool = tool
    return call


def save(path: Path, voxels: np.ndarray, codes: str = 'LPS') -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([TOWARDS[code] for code in codes]) * (0.8, 0.9, 5.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def scan(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units, and labels of three organs with some crumbs."""
    rng = np.random.default_rng(number)
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 3:9, 1:5] = 1  # 144 voxels
    labels[12:18, 10:20, 2:4] = 2  # 120 voxels
    labels[12:16, 3:7, 3:5] = 12  # 32 voxels
    labels[0, 0, 0] = labels[18:20, 22:24, 5] = 1  # objects of 1 and 4 voxels
    labels[12:18, 20:22, 2] = 2
    labels[12, 22, 3] = 2  # touches those of the slice before by an edge
    return rng.integers(-1000, 1500, SHAPE).astype(np.int16), labels


def save_scans(root: Path, number: int, codes: str = 'LPS') -> None:
    for i in range(number):
        image, labels = scan(i)
        save(root / 'ct' / f'p{i // 2}_{i}_0000.nii.gz', image, codes)
        save(root / 'gt' / f'p{i // 2}_{i}.nii.gz', labels, codes)


@pytest.fixture
def ct(tmp_path: Path) -> tuple[str | Path, ...]:
    """Arguments for three scans in ``tmp_path``; their output goes to ``out``."""
    save_scans(tmp_path, 3)
    return arguments(tmp_path)


def arguments(root: Path, out: str = 'out') -> tuple[str | Path, ...]:
    folders = ('-i', root / 'ct', '-gt', root / 'gt', '-o', root / out)
    return (*folders, '--img-suffix', '_0000.nii.gz', '--modality', 'CT', *SMALL)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_slices_and_npz(tmp_path: Path, run: Callable) -> None:
    save_scans(tmp_path, 5)
    out = tmp_path / 'out'
    done = run(*arguments(tmp_path), '--remove-labels', '12')
    assert done.returncode == 0, done.stderr
    split = json.loads((out / 'split.json').read_text())
    assert len(split['train']) == 4 and len(split['test']) == 1
    for part, number in itertools.product(('train', 'test'), range(5)):
        name = f'p{number // 2}_{number}'
        assert (out / part / 'npz' / f'{name}.npz').exists() == (name in split[part])
        if name not in split[part]:
            continue
        image, labels = scan(number)
        # By hand: the crumbs go, with the removed label; then slices 1 to 4 are left.
        labels[0, 0, 0] = labels[18:20, 22:24, 5] = labels[labels == 12] = 0
        labels[12, 22, 3] = 0  # part of an object of the volume, alone in its slice
        kept = [1, 2, 3, 4]
        wanted = np.clip(image.astype(float), -160, 240)
        wanted = ((wanted + 160) / 400 * 255).astype(np.uint8).T[kept]
        content = read_medsam_npz(out / part / 'npz' / f'{name}.npz')
        np.testing.assert_array_equal(content.imgs, wanted)
        np.testing.assert_array_equal(content.gts, labels.T[kept])
        assert content.spacing == pytest.approx((5.0, 0.9, 0.8))
        assert content.slice_indices == (1, 2, 3, 4)
        for place, index in enumerate(kept):
            file = f'{name}_slice_{index:03d}.png'
            for kind, stack in (('images', wanted), ('masks', content.gts)):
                pixels = read_image(str(out / part / kind / file))
                np.testing.assert_array_equal(pixels, stack[place])
        record = json.loads((out / 'cases' / f'{name}.json').read_text())
        assert record['labels'] == [1, 2]
        assert record['dropped_in_volume'] == {'1': [2, 5]}
        assert record['dropped_in_slices'] == {'2': [1, 1]}
    assert len(list(out.glob('*/images/*'))) == len(list(out.glob('*/masks/*'))) == 20
    assert 'train: 4 cases, 16 slices\ntest: 1 cases, 4 slices' in done.stdout
    assert (
        'label 1: 10 objects of fewer than 30 voxels, 25 voxels in all' in done.stdout
    )
    assert 'labels removed: [12]' in done.stdout
    assert '(slice, row, column)' in done.stdout
    assert read_image(str(out / 'preview.png')).shape[1] == 960


def test_small_objects_of_slices(tmp_path: Path, run: Callable) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    # A cone: 3 x 3 = 9, 2 x 2 = 4 and 1 pixels a slice, one object of 14 voxels.
    labels[5:8, 5:8, 1], labels[5:7, 5:7, 2], labels[5, 5, 3] = 1, 1, 1
    save(tmp_path / 'ct' / 'a_0000.nii.gz', scan(0)[0])
    save(tmp_path / 'gt' / 'a.nii.gz', labels)
    done = run(*arguments(tmp_path), '--min-voxels', '14', '--min-pixels', '5')
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'out' / 'train' / 'npz' / 'a.npz')
    assert content.slice_indices == (1,) and content.gts.sum() == 9
    wanted = 'in slices, label 1: 2 objects of fewer than 5 pixels, 5 pixels in all'
    assert wanted in done.stdout
    assert 'dropped in volume' not in done.stdout
    everything = run(*arguments(tmp_path, 'all'), '--all-slices')
    content = read_medsam_npz(tmp_path / 'all' / 'train' / 'npz' / 'a.npz')
    assert content.slice_indices == (0, 1, 2, 3, 4, 5) and not content.gts.any()
    assert 'without any label left: 1 cases, the first is a' in everything.stdout


def test_smallest_objects_by_default(tmp_path: Path, run: Callable) -> None:
    labels = np.zeros((40, 24, 12), np.uint8)
    labels[:10, :10, :10] = 1  # 1000 voxels
    labels[12:22, :10, :10] = 2
    labels[12, 0, 0] = 0  # 999 voxels
    labels[24:34, :10, :11] = 3
    labels[24, 0, 10] = 0  # 99 pixels of this slice
    save(tmp_path / 'ct' / 'a_0000.nii.gz', labels * np.int16(100))
    save(tmp_path / 'gt' / 'a.nii.gz', labels)
    done = run(*arguments(tmp_path)[: -len(SMALL)])
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'out' / 'train' / 'npz' / 'a.npz')
    assert np.unique(content.gts, return_counts=True)[1].tolist()[1:] == [1000, 1000]
    wanted = 'volume, label 2: 1 objects of fewer than 1000 voxels, 999 voxels in all'
    assert wanted in done.stdout
    wanted = 'slices, label 3: 1 objects of fewer than 100 pixels, 99 pixels in all'
    assert wanted in done.stdout


def test_progress_is_shown(
    tmp_path: Path, ct: tuple, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MMEngine's bar keeps the stdout of when it was imported, which is not this test's.
    shown = functools.partial(track_iter_progress, file=sys.stdout)
    monkeypatch.setattr(run.tool, 'track_iter_progress', shown)
    done = run(*ct)
    assert re.findall(r'\[[> ]+\] (\d/\d), ', done.stdout) == [
        '0/3',
        '1/3',
        '2/3',
        '3/3',
    ]
    done = run(*ct)  # nothing is left to do
    assert '3 of 3 cases are there already' in done.stdout and '/3,' not in done.stdout


@pytest.mark.parametrize('codes', ['RAS', 'LPS', 'SAR', 'PIL'])
def test_masks_go_back_onto_the_scan(tmp_path: Path, run: Callable, codes: str) -> None:
    save_scans(tmp_path, 1, codes)
    done = run(*arguments(tmp_path), '--min-voxels', '1', '--min-pixels', '1')
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'out' / 'train' / 'npz' / 'p0_0.npz')
    image = NiftiVolume(tmp_path / 'ct' / 'p0_0_0000.nii.gz')
    assert content.spacing == image.spacing
    back = tmp_path / 'back.nii.gz'
    image.write_labels(back, content.gts, content.slice_indices)
    found, wanted = (
        nibabel.load(path) for path in (back, tmp_path / 'gt' / 'p0_0.nii.gz')
    )
    np.testing.assert_array_equal(found.get_fdata(), wanted.get_fdata())
    np.testing.assert_array_equal(found.affine, wanted.affine)


def test_data_sets_read_it(tmp_path: Path, ct: tuple, run: Callable) -> None:
    assert run(*ct).returncode == 0
    init_default_scope('mmseg')
    root = str(tmp_path / 'out' / 'train')
    ours = ImageMaskFolderDataset(
        root,
        ('background', 'liver', 'kidney', 'duodenum'),
        {0: 0, 1: 1, 2: 2, 12: 3},
        pipeline=[dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')],
    )
    theirs = BaseSegDataset(
        data_root=root,
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        pipeline=[
            dict(type='LoadImageFromFile', color_type='grayscale'),
            dict(type='LoadAnnotations'),
        ],
    )
    assert len(ours) == len(theirs) == 8
    for mine, other in zip(ours, theirs):
        np.testing.assert_array_equal(mine['img'], other['img'])
        raw = np.where(mine['gt_seg_map'] == 3, 12, mine['gt_seg_map'])
        np.testing.assert_array_equal(raw, other['gt_seg_map'])


def test_patients_are_not_divided(tmp_path: Path, run: Callable) -> None:
    save_scans(tmp_path, 6)
    assert run(*arguments(tmp_path), '--patient', 'p[0-9]').returncode == 0
    split = json.loads((tmp_path / 'out' / 'split.json').read_text())
    patients = [{name[:2] for name in split[part]} for part in ('train', 'test')]
    assert [len(names) for names in patients] == [2, 1]
    assert not patients[0] & patients[1]
    done = run(*arguments(tmp_path, 'other'), '--patient', 'q[0-9]')
    assert "p0_0: holds no patient that matches 'q[0-9]'" in done.stderr


def test_memory_is_that_of_one_volume(
    tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxels = np.zeros((96, 96, 40), np.int16)
    voxels[20:60, 20:60] = 300
    # The picture at the end would take more than these volumes.
    monkeypatch.setattr(run.tool, 'write_preview', lambda folder: None)
    peaks = []
    for number in (1, 6):
        for i in range(number):
            save(tmp_path / 'ct' / f'{i}_0000.nii.gz', voxels)
            save(tmp_path / 'gt' / f'{i}.nii.gz', (voxels > 0).astype(np.uint8))
        tracemalloc.start()
        assert run(*arguments(tmp_path, f'out{number}')).returncode == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Not even the smallest copies, of 8 bits, of the five more volumes are kept.
    assert peaks[1] < peaks[0] + voxels.size


def test_interrupted_and_run_again(
    tmp_path: Path, ct: tuple, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*ct).returncode == 0
    out, other = tmp_path / 'out', tmp_path / 'other'
    encode, calls = cv2.imencode, itertools.count()

    def interrupted(*args: object) -> object:
        if next(calls) == 11:  # in the second case
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(cv2, 'imencode', interrupted)
    stopped = run(*arguments(tmp_path, 'other'))
    assert stopped.returncode == 130
    assert 'the same command finishes the rest' in stopped.stderr
    assert len(list((other / 'cases').iterdir())) == 1
    # As a killed process leaves it.
    (other / 'train' / 'images' / '.x.png.1.part').write_bytes(b'half')
    done = run(*arguments(tmp_path, 'other'))
    assert done.returncode == 0, done.stderr
    assert '1 of 3 cases are there already' in done.stdout
    assert files(other) == files(out)
    before = {path: path.stat().st_mtime_ns for path in other.rglob('*/*/*')}
    assert run(*arguments(tmp_path, 'other')).returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in other.rglob('*/*/*')}


def test_full_disk_and_run_again(tmp_path: Path, ct: tuple, run: Callable) -> None:
    assert run(*ct, '--all-slices').returncode == 0
    other = (*arguments(tmp_path, 'other'), '--all-slices')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))  # no NPZ is that small
    try:
        full = run(*other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.returncode == 1
    assert 'p0_0.npz' in full.stderr
    assert not list((tmp_path / 'other').rglob('.*.part'))
    assert not list((tmp_path / 'other').rglob('*.npz'))
    assert run(*other).returncode == 0
    assert files(tmp_path / 'other') == files(tmp_path / 'out')


def test_other_settings_are_refused(tmp_path: Path, ct: tuple, run: Callable) -> None:
    assert run(*ct).returncode == 0
    before = files(tmp_path / 'out')
    for option, message in (
        (('--window', 'lung'), r'window=[40, 400], now it is [-600, 1500]'),
        (('--seed', '1'), 'seed=0, now it is 1'),
        (('--min-voxels', '31'), 'min_voxels=30, now it is 31'),
        (('--remove-labels', '2'), 'remove_labels=[], now it is [2]'),
        (('--all-slices',), 'all_slices=False, now it is True'),
    ):
        done = run(*ct, *option)
        assert done.returncode == 1 and message in done.stderr, option
    save_scans(tmp_path, 4)
    done = run(*ct)
    assert done.returncode == 1 and 'split.json: was made with' in done.stderr
    assert "['p0_0', 'p1_2'], now it is ['p0_0', 'p0_1', 'p1_2']" in done.stderr
    assert files(tmp_path / 'out') == before


def test_unwritable_and_foreign_folders(
    tmp_path: Path, ct: tuple, run: Callable
) -> None:
    (tmp_path / 'file').touch()
    done = run(*ct, '-o', tmp_path / 'file' / 'out')
    assert done.returncode == 1 and 'Not a directory' in done.stderr
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').touch()
    done = run(*ct, '-o', tmp_path / 'mine')
    assert done.returncode == 1
    assert 'holds thesis.txt and no settings.json of this command' in done.stderr
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['thesis.txt']


@pytest.mark.parametrize(
    'what',
    [
        *('shape', 'affine', 'truncated scan', 'truncated labels', '4-D', 'half'),
        *('NaN', 'negative', 'large', 'NaN in scan'),
    ],
)
def test_scans_that_do_not_fit(
    tmp_path: Path, ct: tuple, run: Callable, what: str
) -> None:
    gt, image = tmp_path / 'gt' / 'p0_1.nii.gz', tmp_path / 'ct' / 'p0_1_0000.nii.gz'
    voxels, labels = scan(1)
    odd = labels.astype(np.float32)
    message = {
        'shape': 'p0_1.nii.gz: has (20, 24, 5) voxels, wanted (20, 24, 6) as in',
        'affine': 'p0_1.nii.gz: lies elsewhere than',
        'truncated scan': 'p0_1_0000.nii.gz: not a whole NIfTI file',
        'truncated labels': 'p0_1.nii.gz: not a whole NIfTI file',
        '4-D': 'p0_1_0000.nii.gz: a volume must have 3 axes, this is (20, 24, 6, 2)',
        'half': 'p0_1.nii.gz: hold [1.5], wanted whole numbers from 0 to 255',
        'NaN': 'p0_1.nii.gz: hold [nan], wanted whole numbers from 0 to 255',
        'negative': 'p0_1.nii.gz: hold [-1.0], wanted whole',
        'large': 'p0_1.nii.gz: hold [256.0], wanted whole',
        'NaN in scan': 'p0_1_0000.nii.gz: 1 of 2880 values are NaN or infinite',
    }[what]
    if what == 'shape':
        save(gt, labels[..., :5])
    elif what == 'affine':
        save(gt, labels, 'RPS')
    elif what.startswith('truncated'):
        path = image if what.endswith('scan') else gt
        path.write_bytes(path.read_bytes()[:-5])
    elif what == '4-D':
        save(image, np.stack([voxels] * 2, axis=-1))
    elif what == 'NaN in scan':
        odd = voxels.astype(np.float32)
        odd[3, 3, 3] = np.nan
        save(image, odd)
    else:
        odd[5, 5, 2] = {
            'half': 1.5,
            'NaN': np.nan,
            'negative': -1,
            'large': 256,
        }[what]
        save(gt, odd)
    done = run(*ct)
    assert done.returncode == 1
    assert message in done.stderr
    # What is known from headers is known before anything is written.
    assert (tmp_path / 'out').exists() == (what not in ('shape', 'affine', '4-D'))
    assert not (tmp_path / 'out' / 'cases' / 'p0_1.json').exists()


def test_labels_that_are_empty(tmp_path: Path, ct: tuple, run: Callable) -> None:
    save(tmp_path / 'gt' / 'p0_1.nii.gz', np.zeros(SHAPE, np.uint8))
    done = run(*ct)
    assert done.returncode == 0
    assert 'without any label left: 1 cases, the first is p0_1' in done.stdout
    assert not list((tmp_path / 'out').rglob('p0_1*.[np][np][gz]'))
    for number in (0, 2):
        path = tmp_path / 'gt' / f'p{number // 2}_{number}.nii.gz'
        save(path, np.zeros(SHAPE, np.float64))
    done = run(*ct, '-o', tmp_path / 'none')
    assert done.returncode == 1
    assert 'no label is left in any of 3 cases' in done.stderr


def test_names(tmp_path: Path, ct: tuple, run: Callable) -> None:
    (tmp_path / 'ct' / 'p9_0000.nii.gz').touch()
    done = run(*ct)
    assert done.returncode == 0
    assert 'left out 1 images without labels' in done.stdout
    without = [word for word in ct if word not in ('--img-suffix', '_0000.nii.gz')]
    done = run(*without)
    assert done.returncode == 1
    assert 'p0_0.nii.gz: no image of this name in' in done.stderr
    done = run(*ct, '-gt', tmp_path / 'none')
    assert 'none: no such folder' in done.stderr
    done = run(*ct, '--gt-suffix', '.nrrd')
    assert 'no file in it whose name ends in .nrrd' in done.stderr
    (tmp_path / 'gt' / 'p0_0.nii').touch()
    done = run(*ct)
    assert 'have the same name but for the suffix' in done.stderr


def test_both_in_one_folder(tmp_path: Path, run: Callable) -> None:
    image, labels = scan(0)
    save(tmp_path / 'a.nii.gz', image)
    save(tmp_path / 'a_label.nii.gz', labels)
    folders = ('-i', tmp_path, '-gt', tmp_path, '-o', tmp_path / 'out')
    done = run(*folders, '--gt-suffix', '_label.nii.gz', '--modality', 'MR', *SMALL)
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'out' / 'train' / 'npz' / 'a.npz')
    low, high = np.percentile(image[image != 0], (0.5, 99.5))
    wanted = (np.clip(image, low, high) - low) / (high - low) * 255
    wanted[image == 0] = 0
    kept = list(content.slice_indices)
    np.testing.assert_array_equal(content.imgs, wanted.astype(np.uint8).T[kept])


@pytest.mark.parametrize(
    ('words', 'window'),
    [
        ((), (40, 400)),
        (('lung',), (-600, 1500)),
        (('brain',), (40, 80)),
        (('50', '350'), (50, 350)),
        (('-600', '1500'), (-600, 1500)),
    ],
)
def test_windows(run: Callable, words: tuple, window: tuple) -> None:
    options = ['--window', *words] if words else []
    folders = ['-i', 'a', '-gt', 'b', '-o', 'c']
    args = run.tool.parse_args([*folders, '--modality', 'CT', *options])
    assert args.window == window


def test_options_that_do_not_fit(
    tmp_path: Path, ct: tuple, run: Callable, capsys: pytest.CaptureFixture
) -> None:
    for options, message in (
        (('--window', 'heart'), 'wanted soft-tissue, lung, brain, bone or a level'),
        (('--window', '40'), 'or a level and a width, found 40'),
        (('--modality', 'MR', '--window', 'lung'), '--window is for --modality CT'),
        (('--patient', 'p['), 'unterminated character set'),
    ):
        with pytest.raises(SystemExit):
            run(*ct, *options)
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match='0'):
        run('--help')
    examples = [line for line in capsys.readouterr().out.splitlines() if '-i ' in line]
    assert sum('medsam.py -i' in line for line in examples) == 5
    without = [word for word in ct if word not in ('--modality', 'CT')]
    assert 'NIfTI volumes need --modality' in run(*without).stderr


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str | Path, ...]:
    """Arguments for six RGB and grey pictures, masks of 0 and 255."""
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
    for i in range(6):
        shape = (40, 50, 3) if i % 2 else (40, 50)
        image = rng.integers(10, 200, shape, np.uint8)
        mask = np.zeros((40, 50), np.uint8)
        mask[5:20, 5 : 20 + i] = 255
        mask[30:33, 30:33] = 255  # 9 pixels
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), image)
        cv2.imwrite(str(tmp_path / 'masks' / f'{i}.png'), mask)
    root = tmp_path
    return '-i', root / 'images', '-gt', root / 'masks', '-o', root / 'out'


def test_pictures(tmp_path: Path, pictures: tuple, run: Callable) -> None:
    done = run(*pictures)
    assert done.returncode == 0, done.stderr
    for i in range(6):
        (made,) = (tmp_path / 'out').glob(f'*/images/{i}.png')
        content = read_medsam_npz(made.parents[1] / 'npz' / f'{i}.npz')
        image = read_image(str(tmp_path / 'images' / f'{i}.png'))
        if image.ndim == 2:
            low, high = np.percentile(image, (0.5, 99.5))
            scaled = (np.clip(image, low, high) - low) / (high - low) * 255
            image = scaled.astype(np.uint8)
        np.testing.assert_array_equal(read_image(str(made)), image)
        np.testing.assert_array_equal(content.imgs, image)
        wanted = np.zeros((40, 50), np.uint8)
        wanted[5:20, 5 : 20 + i] = 255
        np.testing.assert_array_equal(content.gts, wanted)
        mask = read_image(str(made.parents[1] / 'masks' / f'{i}.png'))
        np.testing.assert_array_equal(mask, wanted)
        assert content.spacing is None
    assert 'train: 4 cases, 4 slices\ntest: 2 cases, 2 slices' in done.stdout
    assert 'label 255: 6 objects of fewer than 100 pixels, 54 pixels' in done.stdout
    assert 'MMSeg ignores label 255' in done.stdout
    assert 'spacing' not in done.stdout


def test_pictures_that_do_not_fit(
    tmp_path: Path, pictures: tuple, run: Callable
) -> None:
    done = run(*pictures, '--modality', 'MR')
    assert done.returncode == 1 and 'pictures have no --modality' in done.stderr
    third = tmp_path / 'masks' / '3.png'
    mask = cv2.imread(str(third), cv2.IMREAD_UNCHANGED) // 255
    for pixels, message in (
        (mask[1:], '3.png: mask of size (39, 50) (height, width), wanted (40, 50)'),
        (mask * np.uint16(256), '3.png: mask holds values outside the classes: 256'),
    ):
        cv2.imwrite(str(third), pixels)
        done = run(*pictures)
        assert done.returncode == 1 and message in done.stderr
    third.write_bytes(third.read_bytes()[:60])
    done = run(*pictures)
    assert done.returncode == 1 and '3.png: cannot be read as an image' in done.stderr
    save(tmp_path / 'images' / '3.nii.gz', scan(0)[0])
    (tmp_path / 'images' / '3.png').unlink()
    done = run(*pictures)
    assert done.returncode == 1 and 'hold both NIfTI volumes and' in done.stderr


def test_real_scans(data_root: Path, tmp_path: Path, run: Callable) -> None:
    nifti = data_root / 'nifti'
    folders = ('-i', nifti, '-gt', nifti)
    done = run(
        *folders, '-o', tmp_path / 'mr', '--gt-suffix', '_label.nii.gz',
        '--modality', 'MR',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'mr' / 'train' / 'npz' / 'prostate_mr.npz')
    assert content.imgs.shape == content.gts.shape == (10, 384, 384)
    assert content.spacing == pytest.approx((3, 0.5, 0.5), abs=1e-5)
    # No object is small: all labelled voxels are there, and go back to their places.
    np.testing.assert_array_equal(
        np.unique(content.gts, return_counts=True)[1][1:], [28457, 17730]
    )
    back = tmp_path / 'back.nii.gz'
    scan = NiftiVolume(nifti / 'prostate_mr.nii.gz')
    scan.write_labels(back, content.gts, content.slice_indices)
    np.testing.assert_array_equal(
        np.asanyarray(nibabel.load(back).dataobj),
        np.asanyarray(nibabel.load(nifti / 'prostate_mr_label.nii.gz').dataobj),
    )
    done = run(
        *folders, '-o', tmp_path / 'ct', '--gt-suffix', '_auto_seg.nii.gz',
        '--modality', 'CT', '--all-slices',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = read_medsam_npz(tmp_path / 'ct' / 'train' / 'npz' / 'ct_sm.npz')
    units = np.asanyarray(nibabel.load(nifti / 'ct_sm.nii.gz').dataobj)
    # The file counts voxels to the right, front and head of the patient.
    units = units.T[:, ::-1, ::-1]
    np.testing.assert_array_equal(
        content.imgs, ((np.clip(units, -160, 240) + 160.0) / 400 * 255).astype(np.uint8)
    )
