"""Loading of images and label maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_universeg.datasets.transforms import LoadLabelMap, LoadMedicalImage

RNG = np.random.default_rng(0)


def _save(path: Path, pixels: np.ndarray) -> str:
    Image.fromarray(pixels).save(path)
    return str(path)


def _results(mask: str | list[str], size: tuple = (6, 8), **extra) -> dict:
    return dict(
        img_path='image.png',
        ori_shape=size,
        seg_map_path=mask,
        label_values={0: 0, 128: 1, 255: 2},
        **extra,
    )


# Images


def test_image_and_its_keys(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    results = LoadMedicalImage()(dict(img_path=_save(tmp_path / 'a.png', pixels)))
    np.testing.assert_array_equal(results['img'], pixels)  # RGB, not BGR
    assert results['img_shape'] == results['ori_shape'] == (6, 8)


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
def test_opaque_alpha_is_dropped(tmp_path: Path, mode: str) -> None:
    channels = len(mode)
    pixels = RNG.integers(0, 256, (6, 8, channels), np.uint8)
    pixels[..., -1] = 255
    results = LoadMedicalImage()(dict(img_path=_save(tmp_path / 'a.png', pixels)))
    wanted = pixels[..., :3] if mode == 'RGBA' else pixels[..., 0]
    np.testing.assert_array_equal(results['img'], wanted)


@pytest.mark.parametrize('channels', [2, 4])
def test_clear_alpha_is_an_error(tmp_path: Path, channels: int) -> None:
    pixels = np.full((6, 8, channels), 255, np.uint8)
    pixels[2, 3:5, -1] = 254
    path = _save(tmp_path / 'a.png', pixels)
    with pytest.raises(ValueError, match=r'a\.png: has an alpha .* 2 pixels'):
        LoadMedicalImage()(dict(img_path=path))
    img = LoadMedicalImage(alpha='drop')(dict(img_path=path))['img']
    assert img.shape == ((6, 8, 3) if channels == 4 else (6, 8))


def test_16_bit_alpha(tmp_path: Path) -> None:
    import cv2

    pixels = np.full((6, 8, 4), 65535, np.uint16)
    pixels[0, 0, :3] = (1000, 2000, 3000)
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, pixels)
    img = LoadMedicalImage()(dict(img_path=path))['img']
    assert img.dtype == np.uint16
    assert img[0, 0].tolist() == [3000, 2000, 1000]


def test_channels_of_npy_are_no_alpha(tmp_path: Path) -> None:
    np.save(tmp_path / 'a.npy', np.zeros((6, 8, 4), np.float32))
    results = LoadMedicalImage()(dict(img_path=str(tmp_path / 'a.npy')))
    assert results['img'].shape == (6, 8, 4)


def test_alpha_option_is_checked() -> None:
    with pytest.raises(ValueError, match="'error' or 'drop', found 'keep'"):
        LoadMedicalImage(alpha='keep')


# Label maps


def test_values_become_classes(tmp_path: Path) -> None:
    raw = RNG.choice(np.array([0, 128, 255], np.uint8), (6, 8))
    results = LoadLabelMap()(_results(_save(tmp_path / 'm.png', raw)))
    wanted = (raw == 128) * 1 + (raw == 255) * 2
    np.testing.assert_array_equal(results['gt_seg_map'], wanted)
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['seg_fields'] == ['gt_seg_map']


def test_16_bit_labels(tmp_path: Path) -> None:
    raw = np.array([[0, 1000]], np.uint16)
    results = _results(_save(tmp_path / 'm.png', raw), (1, 2))
    results['label_values'] = {0: 0, 1000: 1}
    assert LoadLabelMap()(results)['gt_seg_map'].tolist() == [[0, 1]]


def test_stray_values(tmp_path: Path) -> None:
    raw = np.zeros((6, 8), np.uint8)
    raw[0, :3], raw[1, :2], raw[2] = 7, 129, 255
    path = _save(tmp_path / 'm.png', raw)
    with pytest.raises(
        ValueError, match=r'm\.png: .* 7, 129 \(5 pixels\), wanted \[0, 128, 255\]'
    ):
        LoadLabelMap()(_results(path))
    label_map = LoadLabelMap()(_results(path, stray='background'))['gt_seg_map']
    np.testing.assert_array_equal(label_map, (raw == 255) * 2)


def test_mask_of_another_size(tmp_path: Path) -> None:
    path = _save(tmp_path / 'm.png', np.zeros((8, 6), np.uint8))
    with pytest.raises(
        ValueError, match=r'm\.png: .*\(8, 6\).*\(6, 8\).*image\.png'
    ) as error:
        LoadLabelMap()(_results(path))
    assert 'size' in str(error.value)


def test_after_resize_the_mask_keeps_the_size_of_the_file(tmp_path: Path) -> None:
    path = _save(tmp_path / 'm.png', np.zeros((6, 8), np.uint8))
    results = _results(path, img=np.zeros((128, 128)), img_shape=(128, 128))
    assert LoadLabelMap()(results)['gt_seg_map'].shape == (6, 8)


def test_redundant_channels_are_dropped_others_refused(tmp_path: Path) -> None:
    raw = RNG.choice(np.array([0, 128, 255], np.uint8), (6, 8))
    grey = np.dstack([raw, raw, raw, np.full_like(raw, 255)])
    for name, pixels in (('rgb.png', grey[..., :3]), ('rgba.png', grey)):
        results = LoadLabelMap()(_results(_save(tmp_path / name, pixels)))
        np.testing.assert_array_equal(results['gt_seg_map'] == 2, raw == 255)
    grey[0, 0, 1] ^= 1
    path = _save(tmp_path / 'colour.png', grey[..., :3])
    with pytest.raises(ValueError, match=r'colour\.png: mask has 3 channels that'):
        LoadLabelMap()(_results(path))


def test_fractions_are_no_labels(tmp_path: Path) -> None:
    np.save(tmp_path / 'm.npy', np.zeros((6, 8), np.float32))
    with pytest.raises(ValueError, match=r'm\.npy: .* integers, found float32'):
        LoadLabelMap()(_results(str(tmp_path / 'm.npy')))


def test_choice_of_classes(tmp_path: Path) -> None:
    raw = np.array([[0, 128, 255]], np.uint8)
    results = _results(_save(tmp_path / 'm.png', raw), (1, 3))
    results['label_map'] = {0: 0, 1: 255, 2: 1}
    assert LoadLabelMap()(results)['gt_seg_map'].tolist() == [[0, 255, 1]]


def test_instances_are_merged_and_kept(tmp_path: Path) -> None:
    first, second = np.zeros((2, 6, 8), np.uint8)
    first[0:3, 0:3], second[2:5, 2:5] = 255, 255
    paths = [_save(tmp_path / f'{i}.png', m) for i, m in enumerate([first, second])]
    results = LoadLabelMap(with_instances=True)(_results(paths))
    np.testing.assert_array_equal(
        results['gt_seg_map'], 2 * ((first > 0) | (second > 0))
    )
    instances = results['gt_instance_map']
    assert instances.dtype == np.int32
    assert instances[2, 2] == 1  # the first has what both claim
    assert (instances == 1).sum() == 9
    assert (instances == 2).sum() == 8
    assert results['seg_fields'] == ['gt_seg_map', 'gt_instance_map']
    assert 'gt_instance_map' not in LoadLabelMap()(_results(paths))


def test_instances_of_one_label_map(tmp_path: Path) -> None:
    path = _save(tmp_path / 'm.png', np.zeros((6, 8), np.uint8))
    with pytest.raises(ValueError, match='with_instances=True wants a list'):
        LoadLabelMap(with_instances=True)(_results(path))


def test_outside_the_field_of_view(tmp_path: Path) -> None:
    raw = np.full((6, 8), 255, np.uint8)
    field = np.zeros((6, 8), np.uint8)
    field[:, :4] = 255
    extra = dict(fov_path=_save(tmp_path / 'f.png', field))
    path = _save(tmp_path / 'm.png', raw)
    kept = LoadLabelMap()(_results(path, field_of_view='keep', **extra))
    assert (kept['gt_seg_map'] == 2).all()
    ignored = LoadLabelMap()(_results(path, field_of_view='ignore', **extra))
    np.testing.assert_array_equal(
        ignored['gt_seg_map'], np.where(field > 0, 2, 255).astype(np.uint8)
    )


def test_missing_keys_and_zero_label(tmp_path: Path) -> None:
    path = _save(tmp_path / 'm.png', np.zeros((6, 8), np.uint8))
    results = _results(path)
    del results['label_values']
    with pytest.raises(KeyError, match='label_values'):
        LoadLabelMap()(results)
    with pytest.raises(ValueError, match='does not reduce the zero label'):
        LoadLabelMap()(_results(path, reduce_zero_label=True))
