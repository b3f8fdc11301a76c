"""Image files as arrays, whole or not at all."""

import io
from pathlib import PurePath

import cv2
import mmengine.fileio as fileio
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.gif', '.npy')

_PIL_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'I', 'F', 'I;16', 'I;16B')


def read_image(
    path: str, palette_as: str = 'colour', backend_args: dict | None = None
) -> np.ndarray:
    """Read one image file without losing depth, channels or rows.

    Pillow decodes, because it refuses truncated files where other decoders
    fill the missing rows; OpenCV decodes what Pillow would cut to 8 bits
    (16-bit colour) or cannot open (floating-point colour). The orientation that
    a camera noted in EXIF is applied, as MMCV does.

    Args:
        path: PNG, JPEG, BMP, TIFF, GIF or NPY; local or of a file backend.
        palette_as: ``'colour'`` looks palette entries up, ``'index'`` keeps their
            numbers (label maps).
        backend_args: Arguments of MMEngine's file backend.

    Returns:
        (H, W) or (H, W, C) in the dtype of the file, colour in RGB(A) order;
        1-bit images come as uint8 0 and 255.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Empty, truncated or undecodable file, more than one frame, or
            a colour space this package does not read.
    """
    try:
        raw = fileio.get(path, backend_args=backend_args)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such image file') from None
    if not raw:
        raise ValueError(f'{path}: the file is empty (0 bytes)')
    suffix = PurePath(path).suffix.lower()
    if suffix == '.npy':
        image = _decode_npy(raw, path)
    else:
        image = _decode_picture(raw, path, palette_as)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f'{path}: an image must be (H, W) or (H, W, C), this is {image.shape}'
        )
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder('='))


def _decode_npy(raw: bytes, path: str) -> np.ndarray:
    try:
        image = np.load(io.BytesIO(raw), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f'{path}: not a whole NPY file ({error})') from error
    if image.dtype.kind not in 'uif':
        raise ValueError(
            f'{path}: holds {image.dtype}, wanted integers or floating point'
        )
    return image


def _decode_picture(raw: bytes, path: str, palette_as: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(raw)) as picture:
            frames = getattr(picture, 'n_frames', 1)
            if frames > 1:
                raise ValueError(f'holds {frames} frames, wanted one; split it first')
            picture.load()
            if _deeper_than_pillow(picture, raw):
                return _decode_with_opencv(raw)
            return _picture_to_array(ImageOps.exif_transpose(picture), palette_as)
    except UnidentifiedImageError:
        try:
            return _decode_with_opencv(raw)
        except (ValueError, cv2.error):
            raise ValueError(f'{path}: not an image file that can be read') from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path}: cannot be read as an image: {error}') from error


def _deeper_than_pillow(picture: Image.Image, raw: bytes) -> bool:
    """Whether Pillow would cut the samples to 8 bits."""
    if picture.format == 'PNG':
        return raw[24] == 16  # bit depth, a fixed place in the header chunk
    if picture.format == 'TIFF':
        bits = picture.tag_v2.get(258, (1,))  # BitsPerSample
        return len(bits) > 1 and max(bits) > 8
    return False


def _decode_with_opencv(raw: bytes) -> np.ndarray:
    buffer = np.frombuffer(raw, np.uint8)
    whole, frames = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)
    if not whole or len(frames) != 1:
        raise ValueError(f'decodes to {len(frames)} frames, wanted one')
    image = frames[0]
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    return image


def _picture_to_array(picture: Image.Image, palette_as: str) -> np.ndarray:
    if picture.mode not in _PIL_MODES:
        raise ValueError(
            f'colour mode {picture.mode!r} is not read, wanted grey, RGB or RGBA'
        )
    transparent = 'transparency' in picture.info
    if picture.mode in ('P', 'PA'):
        if palette_as == 'index' and picture.mode == 'P':
            return np.asarray(picture)
        has_alpha = transparent or picture.mode == 'PA'
        picture = picture.convert('RGBA' if has_alpha else 'RGB')
    elif picture.mode == '1':
        picture = picture.convert('L')
    elif transparent and picture.mode in ('L', 'RGB'):
        picture = picture.convert('LA' if picture.mode == 'L' else 'RGBA')
    return np.asarray(picture)
