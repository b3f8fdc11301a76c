"""NIfTI volumes as slices and back: where every voxel lies, on all kinds of axes."""

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine

from mmseg_universeg.utils.nifti import NiftiVolume

RNG = np.random.default_rng(0)
SHAPE = (5, 7, 4)
SPACING = (0.7, 1.1, 4.0)
TOWARDS = dict(
    R=(1, 0, 0), A=(0, 1, 0), S=(0, 0, 1), L=(-1, 0, 0), P=(0, -1, 0), I=(0, 0, -1)
)
DIRECTIONS = [
    tuple(code)
    for order in itertools.permutations(('LR', 'PA', 'SI'))
    for code in itertools.product(*order)
]


def oriented(codes: tuple[str, ...], tilt: float = 0.0) -> np.ndarray:
    """Affine of axes in these directions, with SPACING along them, a little tilted."""
    directions = np.transpose([TOWARDS[code] for code in codes])
    cos, sin = np.cos(tilt), np.sin(tilt)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ directions @ np.diag(SPACING)
    affine[:3, 3] = -12.5, 31.0, 400.25
    return affine


def save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


@pytest.mark.parametrize('codes', DIRECTIONS, ids=''.join)
def test_directions(tmp_path: Path, codes: tuple[str, ...]) -> None:
    affine = oriented(codes, tilt=0.3)
    # Every voxel holds its own number in the file.
    numbers = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    volume = NiftiVolume(save(tmp_path / 'a.nii', numbers, affine))
    stack = volume.read()
    assert stack.shape == volume.shape and sorted(stack.shape) == sorted(SHAPE)

    def place(d: int, h: int, w: int) -> np.ndarray:
        return apply_affine(affine, np.unravel_index(stack[d, h, w], SHAPE))

    # Slices go to the head (+z), rows to the back (-y), columns to the left (-x).
    for step, (axis, sign), size in zip(
        np.eye(3, dtype=int), ((2, 1), (1, -1), (0, -1)), volume.spacing
    ):
        move = place(*step) - place(0, 0, 0)
        assert np.abs(move).argmax() == axis and np.sign(move[axis]) == sign
        assert np.linalg.norm(move) == pytest.approx(size, rel=1e-5)
    # Steps are along all axes: with their sizes that fixes every voxel's place.
    whole = place(*(size - 1 for size in stack.shape)) - place(0, 0, 0)
    steps = [place(*step) - place(0, 0, 0) for step in np.eye(3, dtype=int)]
    np.testing.assert_allclose(
        whole, (np.array(stack.shape) - 1) @ np.array(steps), atol=1e-4
    )


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(DIRECTIONS),
    st.floats(-0.7, 0.7),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from(['.nii', '.nii.gz']),
    st.sampled_from([np.uint8, np.int64, bool, np.uint16]),
    st.integers(0, 2**31),
)
def test_labels_lie_on_the_scan(
    tmp_path_factory: pytest.TempPathFactory,
    codes: tuple,
    tilt: float,
    shape: tuple,
    suffix: str,
    dtype: type,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp('scan')
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2 if dtype is bool else 256, shape).astype(np.uint8)
    if dtype is np.uint16:
        labels = labels.astype(np.uint16) * 100
    affine = oriented(codes, tilt)
    scan = NiftiVolume(save(folder / 'scan.nii.gz', rng.random(shape), affine))
    stack = NiftiVolume(save(folder / f'in{suffix}', labels, affine)).read()
    scan.write_labels(folder / f'out{suffix}', stack.astype(dtype))
    written = nibabel.load(folder / f'out{suffix}')
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), labels)
    assert written.get_data_dtype() in (np.uint8, np.uint16)
    np.testing.assert_array_equal(written.affine, scan.affine)
    scan.check_same_place(NiftiVolume(folder / f'out{suffix}'))


def test_real_files(data_root: Path, tmp_path: Path) -> None:
    paths = sorted((data_root / 'nifti').glob('*.nii.gz'))
    assert len(paths) == 5
    for path in paths:
        volume, file = NiftiVolume(path), nibabel.load(path)
        voxels = np.asanyarray(file.dataobj)
        bright = voxels > voxels.mean()
        stack = volume.read()
        mask = stack > voxels.mean()
        assert mask.shape == volume.shape
        made = tmp_path / path.name
        volume.write_labels(made, mask)
        written = nibabel.load(made)
        np.testing.assert_array_equal(np.asanyarray(written.dataobj), bright)
        np.testing.assert_array_equal(written.affine, file.affine)
        for form in ('qform', 'sform'):
            wanted, code = getattr(file, f'get_{form}')(coded=True)
            found, found_code = getattr(written, f'get_{form}')(coded=True)
            np.testing.assert_array_equal(found, wanted)
            assert found_code == code
    mr = NiftiVolume(data_root / 'nifti' / 'prostate_mr.nii.gz')
    assert mr.shape == (19, 384, 384)
    assert mr.spacing == pytest.approx((3, 0.5, 0.5), abs=1e-5)
    mr.check_same_place(NiftiVolume(data_root / 'nifti' / 'prostate_mr_label.nii.gz'))


def test_some_slices(tmp_path: Path) -> None:
    scan = NiftiVolume(save(tmp_path / 'a.nii', RNG.random(SHAPE), oriented('RAI')))
    stack = RNG.integers(1, 9, scan.shape)
    scan.write_labels(tmp_path / 'b.nii.gz', stack[[3, 1]], [3, 1])
    found = NiftiVolume(tmp_path / 'b.nii.gz').read()
    np.testing.assert_array_equal(found[[1, 3]], stack[[1, 3]])
    assert not found[[0, 2]].any()


def test_scaled_intensities_and_display_range(tmp_path: Path) -> None:
    """A scan's slope, intercept, display range and extensions are not the labels'."""
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), None)
    image.header.set_slope_inter(2, -1000)
    image.header['cal_max'] = 500
    image.header.extensions.append(
        nibabel.nifti1.Nifti1Extension('comment', b'name of the patient')
    )
    image.set_sform(oriented('LPS'), 1)
    nibabel.save(image, tmp_path / 'scan.nii.gz')
    scan = NiftiVolume(tmp_path / 'scan.nii.gz')
    stored = np.asanyarray(nibabel.load(scan.path).dataobj)
    np.testing.assert_array_equal(scan.read(), stored.T)
    scan.write_labels(tmp_path / 'b.nii.gz', np.full(scan.shape, 3))
    written = nibabel.load(tmp_path / 'b.nii.gz')
    assert (np.asanyarray(written.dataobj) == 3).all()
    assert written.dataobj.slope == 1 and written.dataobj.inter == 0
    assert written.header['cal_max'] == 0
    assert b'patient' not in gzip.decompress((tmp_path / 'b.nii.gz').read_bytes())


def test_rounded_headers_are_the_same_place(tmp_path: Path) -> None:
    affine = oriented('LPS')
    scan = NiftiVolume(save(tmp_path / 'a.nii', np.zeros(SHAPE), affine))
    near = affine * (1 + 1e-6)
    scan.check_same_place(NiftiVolume(save(tmp_path / 'b.nii', np.zeros(SHAPE), near)))


@pytest.mark.parametrize('what', ['moved', 'flipped', 'stretched', 'shape', 'turned'])
def test_another_place(tmp_path: Path, what: str) -> None:
    affine, shape = oriented('LPS'), SHAPE
    other = affine.copy()
    if what == 'moved':
        other[2, 3] += 1
    elif what == 'flipped':
        other[:3, 0] *= -1
    elif what == 'stretched':
        other[:3, 2] *= 1.25
    elif what == 'turned':
        other = oriented('LPS', tilt=0.1)
    else:
        shape = (5, 4, 7)
    scan = NiftiVolume(save(tmp_path / 'a.nii', np.zeros(SHAPE), affine))
    labels = NiftiVolume(save(tmp_path / 'b.nii', np.zeros(shape), other))
    wanted = r'b\.nii: has \(5, 4, 7\) voxels, wanted \(5, 7, 4\) as in .*a\.nii'
    if what != 'shape':
        wanted = r'b\.nii: lies elsewhere than .*a\.nii, up to [\d.]+ mm apart'
    with pytest.raises(ValueError, match=wanted):
        scan.check_same_place(labels)


@pytest.mark.parametrize('suffix', ['.nii', '.nii.gz'])
@pytest.mark.parametrize('share', [0.0, 0.05, 0.5, 0.999])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    whole = save(tmp_path / f'whole{suffix}', RNG.random((8, 9, 10)), oriented('LPS'))
    content = whole.read_bytes()
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r'cut\.nii.*: not a (whole )?NIfTI file'):
        NiftiVolume(path).read()


def test_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.nii.gz', RNG.random((8, 9, 10)), oriented('LPS'))
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.nii\.gz: not a whole NIfTI file'):
        NiftiVolume(path).read()


def test_what_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'none\.nii: no such NIfTI file'):
        NiftiVolume(tmp_path / 'none.nii')
    for shape in ((5, 7), (5, 7, 4, 1), (5, 7, 4, 3), (5, 7, 0)):
        path = save(tmp_path / 'a.nii.gz', np.zeros(shape), oriented('LPS'))
        with pytest.raises(ValueError, match='must have 3 axes, this is'):
            NiftiVolume(path)
    path = save(tmp_path / 'a.nii', np.zeros(SHAPE, np.complex64), oriented('LPS'))
    with pytest.raises(ValueError, match='holds complex64'):
        NiftiVolume(path)
    image = nibabel.Nifti1Image(np.zeros(SHAPE), oriented('LPS'))
    image.header.set_xyzt_units('micron')
    nibabel.save(image, path)
    with pytest.raises(ValueError, match='unit of length is micron, wanted mm'):
        NiftiVolume(path)
    flat = oriented('LPS')
    flat[:3, 1] = flat[:3, 0]
    with pytest.raises(ValueError, match='does not span space'):
        NiftiVolume(save(path, np.zeros(SHAPE), flat))
    nibabel.save(
        nibabel.MGHImage(np.zeros(SHAPE, np.float32), None), tmp_path / 'a.mgz'
    )
    with pytest.raises(ValueError, match='is MGHImage, wanted NIfTI'):
        NiftiVolume(tmp_path / 'a.mgz')


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    scan = NiftiVolume(save(tmp_path / 'a.nii', np.zeros(SHAPE), oriented('LPS')))
    good = np.zeros(scan.shape, np.uint8)
    out = tmp_path / 'b.nii'
    for labels, indices, message in (
        (good[..., 0], None, r'must be \(D, H, W\) = \(4, 7, 5\), found \(4, 7\)'),
        (good.T, None, r'found \(5, 7, 4\)'),
        (good, [0, 1], r'= \(2, 7, 5\), found \(4, 7, 5\)'),
        (good[:2], [0, 4], 'different ones from 0 to 3'),
        (good[:2], [1, 1], r'found \[1, 1\]'),
        (good[:1], [-1], r'found \[-1\]'),
        (good.astype(float), None, 'must be whole numbers, found float64'),
        (good.astype(int) - 1, None, 'values from -1 to -1'),
        (good.astype(int) + 70000, None, 'values from 70000 to 70000'),
    ):
        with pytest.raises(ValueError, match=message):
            scan.write_labels(out, labels, indices)
    with pytest.raises(ValueError, match=r'ends in \.nii or \.nii\.gz'):
        scan.write_labels(tmp_path / 'b.png', good)
    assert not out.exists()
    scan.write_labels(out, good)
    with pytest.raises(FileExistsError, match=r'b\.nii exists'):
        scan.write_labels(out, good)
