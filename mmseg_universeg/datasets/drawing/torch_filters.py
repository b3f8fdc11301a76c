"""What NumPy and OpenCV do to fields and images, in torch, on any device.

Each is tested against theirs.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .acquisition import coarse_side
from .fields import NODE_DEVIATION, upsampling


def upsample(nodes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Smooth fields (..., H, W) through nodes (..., rows, columns), as `fields` has."""
    down, across = (
        _upsampling(count, side, nodes.device)
        for count, side in zip(nodes.shape[-2:], shape)
    )
    return down @ (NODE_DEVIATION * nodes @ across.T)


@lru_cache(maxsize=128)
def _upsampling(nodes: int, pixels: int, device: torch.device) -> Tensor:
    """What `fields.upsampling` gives, on a device."""
    return torch.from_numpy(upsampling(nodes, pixels)).to(device)


def sample(images: Tensor, points: Tensor, mode: str = 'bilinear') -> Tensor:
    """Values of images (N, H, W) at points (N, H, W, 2), x before y, in pixels.

    Between pixels they are bilinear, or those of the ``'nearest'``; they are mirrored
    at the outermost ones.
    """
    last = points.new_tensor([images.shape[2] - 1, images.shape[1] - 1])
    return F.grid_sample(
        images[:, None],
        2 * points / last - 1,
        mode,
        padding_mode='reflection',
        align_corners=True,
    )[:, 0]


def blur(images: Tensor, sigmas: np.ndarray) -> Tensor:
    """Gaussian blur of images (N, H, W) by deviations (N,), as OpenCV has it.

    The kernel ends at four deviations; images are mirrored at their outermost pixels.
    """
    # OpenCV's number of taps is odd and about eight deviations and one.
    reaches = np.rint(8 * sigmas + 1).astype(int)[:, None] // 2
    steps = np.arange(-reaches.max(), reaches.max() + 1)
    taps = np.exp(-(steps**2) / (2 * sigmas[:, None] ** 2)) * (abs(steps) <= reaches)
    taps = torch.from_numpy(taps / taps.sum(1, keepdims=True)).to(images)
    return _filter_columns(_filter_columns(images, taps).mT, taps).mT


def _filter_columns(images: Tensor, taps: Tensor) -> Tensor:
    """Filter the columns of images (N, H, W) by their own taps (N, odd number)."""
    height, reach = images.shape[1], taps.shape[1] // 2
    # The tap of each row around an output row: a band, zero beside it.
    padded = F.pad(taps, (height - 1, height - 1))
    band = padded.unfold(1, height + 2 * reach, 1).flip(1)
    around = torch.arange(-reach, height + reach, device=images.device)
    period = max(2 * (height - 1), 1)
    mirrored = around.remainder(period)
    rows = torch.minimum(mirrored, period - mirrored)
    return band @ images.index_select(1, rows)


def lower_resolution(images: Tensor, shrink: float) -> Tensor:
    """Images (N, H, W), shrunk by area and enlarged again, as OpenCV does it."""
    down, across = (
        torch.from_numpy(_lowering(side, coarse_side(side, shrink))).to(images)
        for side in images.shape[1:]
    )
    return down @ images @ across.T


@lru_cache(maxsize=32)
def _lowering(side: int, small: int) -> np.ndarray:
    """What OpenCV makes of a line that is shrunk and enlarged, float32 (side, side)."""
    units = np.eye(side, dtype=np.float32)
    coarse = cv2.resize(units, (side, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (side, side))


# Table K.1 of ITU-T T.81, the quantisation of luminance at quality 50.
QUANTISATION = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def compress(images: Tensor, quality: int) -> Tensor:
    """Images (N, H, W) in [0, 1] after JPEG compression (ITU-T T.81) of 1 to 100."""
    height, width = images.shape[1:]
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = np.clip((QUANTISATION * scale + 50) // 100, 1, 255)
    steps = torch.from_numpy(steps).to(images)[:, None]
    basis = torch.from_numpy(cv2.dct(np.eye(8), flags=cv2.DCT_ROWS).T).to(images)
    padding = (0, -width % 8, 0, -height % 8)
    levels = F.pad(torch.round(255 * images) - 128, padding, mode='replicate')
    # Blocks (N, rows, 8, columns, 8), transformed along both axes of 8.
    blocks = levels.unflatten(2, (-1, 8)).unflatten(1, (-1, 8))
    there = torch.einsum('ui,nricj,vj->nrucv', basis, blocks, basis)
    kept = steps * torch.round(there / steps)
    back = torch.einsum('ui,nrucv,vj->nricj', basis, kept, basis)
    levels = torch.round(back.flatten(3).flatten(1, 2) + 128).clamp(0, 255)
    return levels[:, :height, :width] / 255


def pixels(shape: tuple[int, int], like: Tensor) -> Tensor:
    """Coordinates (H, W, 2) of the pixels, x before y, where ``like`` is."""
    ys, xs = (torch.arange(side).to(like) for side in shape)
    return torch.stack(torch.meshgrid(xs, ys, indexing='xy'), -1)
