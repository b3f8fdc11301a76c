"""Image files: every depth, nothing but whole files."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_universeg.utils.image_io import read_image

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tif', 'npy'])
@pytest.mark.parametrize('channels', [1, 3])
def test_8_bit_is_read_as_it_is(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = COLOUR[..., 0] if channels == 1 else COLOUR
    path = tmp_path / f'a.{suffix}'
    if suffix == 'npy':
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    image = read_image(str(path))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize('suffix', ['png', 'tif', 'npy'])
@pytest.mark.parametrize('shape', [(7, 9), (7, 9, 3)])
def test_16_bit_keeps_its_depth(tmp_path: Path, suffix: str, shape: tuple) -> None:
    pixels = RNG.integers(0, 65536, shape, np.uint16)
    path = str(tmp_path / f'a.{suffix}')
    if suffix == 'npy':
        np.save(path, pixels)
    else:
        # OpenCV writes the channels from the last to the first.
        assert cv2.imwrite(path, pixels[..., ::-1] if len(shape) == 3 else pixels)
    image = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize('suffix', ['tif', 'npy'])
@pytest.mark.parametrize('shape', [(7, 9), (7, 9, 3)])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_floating_point_keeps_its_values(
    tmp_path: Path, suffix: str, shape: tuple, dtype: type
) -> None:
    pixels = (RNG.random(shape) * 4000 - 1000).astype(dtype)
    path = str(tmp_path / f'a.{suffix}')
    if suffix == 'npy':
        np.save(path, pixels)
    else:
        assert cv2.imwrite(path, pixels[..., ::-1] if len(shape) == 3 else pixels)
    image = read_image(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, pixels)


def test_big_endian_file_comes_in_native_order(tmp_path: Path) -> None:
    path = tmp_path / 'a.npy'
    np.save(path, np.array([[1, 256]], '>u2'))
    image = read_image(str(path))
    assert image.dtype.isnative
    assert image.tolist() == [[1, 256]]


def test_palette_as_colour_or_as_index(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode=None)
    picture = picture.convert('P')
    picture.putpalette([9, 8, 7, 200, 0, 0, 0, 0, 250])
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    picture.putdata(indices.ravel().tolist())
    path = str(tmp_path / 'a.png')
    picture.save(path)
    np.testing.assert_array_equal(read_image(path, palette_as='index'), indices)
    assert read_image(path)[0].tolist() == [[9, 8, 7], [200, 0, 0]]


def test_camera_orientation_is_applied(tmp_path: Path) -> None:
    path = str(tmp_path / 'a.jpg')
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(COLOUR).save(path, exif=exif)
    assert read_image(path).shape == (50, 40, 3)


@pytest.mark.parametrize('form', ['PNG', 'BMP', 'JPEG', 'TIFF', 'GIF'])
@pytest.mark.parametrize('share', [0.02, 0.5, 0.98])
def test_truncated_file_is_named(tmp_path: Path, form: str, share: float) -> None:
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, form)
    whole = stream.getvalue()
    path = tmp_path / f'half.{form.lower()}'
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r'half\.'):
        read_image(str(path))


def test_truncated_16_bit_and_npy(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (30, 30, 3), np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), deep)
    np.save(tmp_path / 'a.npy', deep)
    for name in ('a.png', 'a.npy'):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / f'half_{name}').write_bytes(raw[: len(raw) // 2])
        with pytest.raises(ValueError, match='half_a'):
            read_image(str(tmp_path / f'half_{name}'))


def test_damaged_within(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, 'PNG')
    raw = bytearray(stream.getvalue())
    raw[len(raw) // 2] ^= 0xFF
    (tmp_path / 'bad.png').write_bytes(raw)
    with pytest.raises(ValueError, match=r'bad\.png'):
        read_image(str(tmp_path / 'bad.png'))


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'none\.png: no such image file'):
        read_image(str(tmp_path / 'none.png'))
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ValueError, match=r'empty\.png: the file is empty'):
        read_image(str(tmp_path / 'empty.png'))
    (tmp_path / 'text.png').write_text('not an image at all')
    with pytest.raises(ValueError, match=r'text\.png: not an image file'):
        read_image(str(tmp_path / 'text.png'))
    np.save(tmp_path / 'objects.npy', np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r'objects\.npy'):
        read_image(str(tmp_path / 'objects.npy'))
    np.save(tmp_path / 'line.npy', np.zeros(5))
    with pytest.raises(ValueError, match=r'line\.npy: an image must be \(H, W\)'):
        read_image(str(tmp_path / 'line.npy'))


def test_several_frames(tmp_path: Path) -> None:
    frames = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    frames[0].save(tmp_path / 'stack.tif', save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r'stack\.tif: .* holds 2 frames'):
        read_image(str(tmp_path / 'stack.tif'))


def test_print_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).convert('CMYK').save(tmp_path / 'a.jpg')
    with pytest.raises(ValueError, match="colour mode 'CMYK'"):
        read_image(str(tmp_path / 'a.jpg'))
