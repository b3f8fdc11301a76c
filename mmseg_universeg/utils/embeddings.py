"""Files of image embeddings, each of which knows what it was made of."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import torch
from torch import Tensor

from .whole_files import whole_file

# Rows and columns of the cells of an image's signature.
CELL = 8
# Largest difference of a number of it, of [0, 1], that may come from rounding.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Embedding:
    """An embedding and what it was made of.

    Attributes:
        values: (C, h, w) float16.
        signature: Of the image, see `image_signature`.
        fingerprint: Of the encoder's weights, see `weights_fingerprint`.
    """

    values: np.ndarray
    signature: np.ndarray
    fingerprint: str

    def check_image(self, image: Tensor, path: Path) -> None:
        """Refuse another image than the one that was embedded.

        Args:
            image: (3, S, S) floats, as it would go into the encoder.
            path: The embedding's file, for the message.

        Raises:
            ValueError: If its size or its signature differs.
        """
        found = image_signature(image)
        if found.shape == self.signature.shape:
            difference = float(np.abs(found - self.signature).max())
            if difference <= TOLERANCE:
                return
            reason = f'differs by up to {difference:.3g}, wanted {TOLERANCE} at most'
        else:
            reason = f'has a signature {found.shape}, wanted {self.signature.shape}'
        raise ValueError(
            f'{path}: was made of another image than the pipeline makes now, which '
            f'{reason}. A cache goes with one preprocessing, without random changes of '
            'the image; make a cache for this one by tools/cache_embeddings.py, or '
            'train without'
        )


def image_signature(image: Tensor) -> np.ndarray:
    """Return some numbers by which to know an image again.

    Args:
        image: (3, S, S) floats, S a multiple of 8.

    Returns:
        (2, 3, S / 8, S / 8) float32: of each cell of 8x8 pixels one in its middle, and
        the mean. The first shows small changes of all pixels, as of noise or another
        interpolation; the second also those in between, of one pixel by 0.064 or more.
    """
    cells = image.float().unfold(1, CELL, CELL).unfold(2, CELL, CELL)
    middle = cells[..., CELL // 2, CELL // 2]
    return torch.stack([middle, cells.mean((3, 4))]).cpu().numpy()


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return 64 hexadecimal digits that tell an encoder's weights from all others.

    Args:
        weights: By name, of any device and order.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype}\n'.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def embedding_file(folder: str | Path, metainfo: Mapping) -> Path:
    """Return the file for the embedding of an image.

    Args:
        folder: Of the cache.
        metainfo: Of the packed image: ``img_path`` as the data set gives it, and
            ``slice_index`` where an image is a slice of a volume.

    Raises:
        KeyError: If there is no ``img_path``.
    """
    if 'img_path' not in metainfo:
        raise KeyError(
            "an embedding is found by 'img_path', which must be among the meta keys of "
            f'the packing; found {sorted(metainfo)}'
        )
    path = str(metainfo['img_path'])
    name = f'{path}:{metainfo.get("slice_index")}'
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return Path(folder) / f'{PurePath(path).name.split(".")[0]}-{digest}.npz'


def write_embedding(path: Path, embedding: Embedding) -> None:
    """Write an embedding whole or not at all.

    Raises:
        OSError: If the file cannot be written, on a full disk for instance.
        ValueError: If the embedding does not fit into float16.
    """
    if not np.isfinite(embedding.values).all():
        raise ValueError(f'{path}: the embedding is not finite in float16')
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        np.savez(
            file,
            values=embedding.values,
            signature=embedding.signature,
            fingerprint=embedding.fingerprint,
        )


def read_embedding(path: Path) -> Embedding:
    """Read what `write_embedding` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such embedding; tools/cache_embeddings.py CONFIG CHECKPOINT '
            f'--out {path.parent} makes those that are missing'
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            values, signature = file['values'], file['signature']
            fingerprint = str(file['fingerprint'])
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path}: not an embedding that can be read ({error}); remove it and run '
            'tools/cache_embeddings.py again'
        ) from error
    if values.dtype != np.float16 or values.ndim != 3:
        raise ValueError(
            f'{path}: holds {values.dtype} {values.shape}, wanted float16 (C, h, w)'
        )
    return Embedding(values, signature, fingerprint)
