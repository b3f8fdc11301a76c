"""The images of drawn tasks made in torch, on the device that trains.

`deform`, `render` and `acquire` do the same as the functions of these names in
`fields`, `appearance` and `acquisition`, step for step, and are tested against them.
What is random and small comes from ``rng`` as it does there, what is large from
``noise``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .acquisition import black_borders, coarse_side, draw_strengths, vignette
from .appearance import Look, Texture, lose_contrast
from .fields import NODE_DEVIATION, Pose, draw_window, grid, upsampling
from .options import Acquisition

# Gives standard normal numbers, float32 of a shape, on the device.
Noise = Callable[[tuple[int, ...]], Tensor]


@dataclass(frozen=True)
class Sketch:
    """A drawn task whose images are still to be made.

    Attributes:
        labels: Label maps uint8 (M, H, W), the query's first.
        num_images: How many images N the task has. Where that is more than M, those of
            the supports serve several times, each time deformed.
        pose: How they are deformed.
        look: What the label maps look like.
        acquisition: What imaging does to them.
        shares: Least and most of an image that the foreground may take.
        seed: Of what is random in this.
    """

    labels: Tensor
    num_images: int
    pose: Pose
    look: Look
    acquisition: Acquisition
    shares: tuple[float, float]
    seed: int

    @torch.no_grad()
    def draw(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Make the images on a device.

        The same again on the same kind of device; other kinds draw other noise.

        Returns:
            Images float32 (N, H, W), from 0 to 1 each, and masks float32 (N, H, W) of
            0 and 1.
        """
        rng = np.random.default_rng(self.seed)
        generator = torch.Generator(device).manual_seed(self.seed)

        def noise(shape: tuple[int, ...]) -> Tensor:
            return torch.randn(shape, generator=generator, device=device)

        # In full precision, also where a model in training calls this.
        with torch.autocast(torch.device(device).type, enabled=False):
            labels = self.labels.to(device)
            if further := self.num_images - len(labels):
                # One after the other, and never the query's.
                again = labels[1 + torch.arange(further) % (len(labels) - 1)]
                bent = deform(rng, noise, again, self.pose)
                usable = self._usable(bent)[:, None, None]
                labels = torch.cat([labels, torch.where(usable, bent, again)])
            images = render(rng, noise, labels, self.look)
            masks = (labels == self.look.foreground).float()
            least = self.shares[0]
            return acquire(rng, noise, images, masks, least, self.acquisition)

    def _usable(self, labels: Tensor) -> Tensor:
        """Which label maps (N, H, W) keep their foreground within the limits."""
        share = (labels == self.look.foreground).float().mean((1, 2))
        least, most = self.shares
        return (share >= least) & (share <= most)


def deform(
    rng: np.random.Generator, noise: Noise, labels: Tensor, pose: Pose
) -> Tensor:
    """Label maps seen through deformed windows, mirrored at their outermost pixels.

    Each is looked at as `fields.deform` looks at a canvas.

    Args:
        rng: Source of what is small.
        noise: Source of the elastic displacement.
        labels: uint8 (N, H, W), where the noise is.
        pose: Spread of the deformations.

    Returns:
        uint8 (N, H, W), values of the nearest pixels.
    """
    num, height, width = labels.shape
    side = min(height, width)
    bends = smooth_fields(noise, 2 * num, (height, width), pose.elastic_cells)
    bends = bends * (pose.elastic / pose.elastic_cells * side)
    windows = zip(*(draw_window(rng, pose, side) for _ in range(num)))
    linear, shift = (torch.from_numpy(np.stack(each)).to(bends) for each in windows)
    middle = bends.new_tensor([(width - 1) / 2, (height - 1) / 2])
    places = (_pixels((height, width), bends) - middle) / side
    points = torch.einsum('hwi,noi->nhwo', places, linear)
    points += (shift + middle)[:, None, None]
    points += torch.stack([bends[::2], bends[1::2]], -1)
    return sample(labels.to(bends), points, 'nearest').to(labels)


def render(
    rng: np.random.Generator, noise: Noise, labels: Tensor, look: Look
) -> Tensor:
    """Images of label maps.

    Args:
        rng: Source of what is random and small.
        noise: Source of the noise; the images are where its tensors are.
        labels: uint8 (N, H, W), on any device.
        look: The appearance of the labels.

    Returns:
        float32 (N, H, W), from 0 to 1 each.
    """
    num, height, width = labels.shape
    slow = smooth_fields(noise, 2 * num, (height, width), 2.5)
    jitter = rng.normal(0, look.jitter, (num, len(look.means)))
    white = noise((num, height, width)) * look.noise
    tops, lefts, faint, sigmas = [], [], [], []
    # Objects are told apart on the CPU.
    maps = labels.cpu().numpy() if look.faint else labels
    for label in maps:
        tops.append(rng.integers(0, height + 1))
        lefts.append(rng.integers(0, width + 1))
        if look.faint:
            faint.append(lose_contrast(rng, label, look))
        sigmas.append(look.blur * rng.uniform(0.8, 1.25))

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(slow)

    labels = labels.to(slow.device)
    index = labels.flatten(1).long()

    def of_label(values: np.ndarray) -> Tensor:
        """Values (N, H, W) of each pixel's label, given (L,) or (N, L)."""
        return put(values).expand(num, -1).gather(1, index).view(slow[::2].shape)

    means = look.means + jitter
    clean = of_label(means) + of_label(look.shading) * slow[::2]
    for k in np.unique(look.pattern[look.grain > 0]):
        pattern = draw_pattern(look.textures[k], (2 * height, 2 * width), slow)
        parts = torch.stack(
            [pattern[y : y + height, x : x + width] for y, x in zip(tops, lefts)]
        )
        clean += of_label(np.where(look.pattern == k, look.grain, 0)) * parts
    if look.faint:
        shares, towards = zip(*faint)
        middles = put(means[range(num), towards])[:, None, None]
        clean += put(np.stack(shares)) * (middles - clean)
    if look.rim:
        clean += look.rim * _borders(labels)
    clean = blur(clean, np.array(sigmas))
    if look.bias:
        clean *= torch.exp(look.bias * slow[1::2])
    images = _stretch(clean + white) ** look.gamma
    return 1 - images if look.invert else images


def acquire(
    rng: np.random.Generator,
    noise: Noise,
    images: Tensor,
    masks: Tensor,
    least: float,
    acquisition: Acquisition,
) -> tuple[Tensor, Tensor]:
    """Pictures as an instrument would have taken them.

    Args:
        rng: Source of the choices.
        noise: Source of the noise.
        images: float32 (N, H, W) in [0, 1].
        masks: float32 (N, H, W) of 0 and 1.
        least: Share of an image that a mask has to keep.
        acquisition: Chances and ranges.

    Returns:
        The images, from 0 to 1 each, and the masks.
    """
    num, height, width = images.shape
    strengths = draw_strengths(rng, acquisition)
    grain = rng.uniform(1.0, 3.0)

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(images)

    if negative := strengths['negative']:
        flipped = put(rng.random(num) < negative)[:, None, None]
        images = images + flipped * (1 - 2 * images)
    if exposure := strengths['exposure']:
        images = images ** put(np.exp(rng.normal(0, exposure, (num, 1, 1))))
    if vignetting := strengths['vignetting']:
        images = images * put(vignette((height, width), vignetting))
    if reach := strengths['partial_volume']:
        images = _mix_slices(noise, images, reach)
    if (shrink := strengths['low_resolution']) > 1:
        down = put(_lowering(height, coarse_side(height, shrink)))
        across = put(_lowering(width, coarse_side(width, shrink)))
        images = down @ images @ across.T
    if rician := strengths['rician']:
        along, aside = rician * noise((2, *images.shape))
        images = torch.sqrt((images + along) ** 2 + aside**2)
    if speckle := strengths['speckle']:
        cells = min(height, width) / grain
        images = images * (
            1 + speckle * smooth_fields(noise, num, (height, width), cells)
        )
    images = _stretch(images)
    if quality := strengths['compression']:
        images = compress(images, round(quality))
    if border := strengths['black_borders']:
        seen = put(~black_borders(rng, images.shape, border))
        kept = (masks * seen).sum((1, 2), keepdim=True) >= least * height * width
        seen = torch.where(kept, seen, 1)
        images, masks = images * seen, masks * seen
    return _stretch(images), masks


def smooth_fields(
    noise: Noise, num_fields: int, shape: tuple[int, int], cells: float
) -> Tensor:
    """Smooth fields as those of `fields.smooth_fields`, float32 (num_fields, H, W)."""
    return upsample(noise((num_fields, *grid(shape, cells))), shape)


def upsample(nodes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Smooth fields (..., H, W) through nodes (..., rows, columns)."""
    down, across = (
        torch.from_numpy(upsampling(n, p)).to(nodes)
        for n, p in zip(nodes.shape[-2:], shape)
    )
    return down @ (NODE_DEVIATION * nodes @ across.T)


def draw_pattern(texture: Texture, shape: tuple[int, int], like: Tensor) -> Tensor:
    """A texture's pattern (H, W), of mean 0 and deviation 1, where ``like`` is."""
    field = upsample(torch.from_numpy(texture.nodes).to(like), shape)
    if texture.kind == 'spots':
        field = (field - texture.threshold).clamp(min=0)
    elif texture.kind == 'ridges':
        field = field.abs()
    elif texture.kind == 'fibres':
        points = _pixels(shape, like) @ torch.from_numpy(texture.linear.T).to(like)
        field = sample(field[None], points[None])[0]
    field = field - field.mean()
    return field / (field.std(correction=0) + 1e-6)


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


def _mix_slices(noise: Noise, images: Tensor, reach: float) -> Tensor:
    """Mean of each image and of two that are bent by up to ``reach`` pixels or so."""
    num, height, width = images.shape
    bends = reach * smooth_fields(noise, 2 * num, (height, width), 3)
    bends = torch.stack([bends[::2], bends[1::2]], -1)
    middle = _pixels((height, width), images)
    sides = sample(images, middle - bends) + sample(images, middle + bends)
    return 0.5 * images + 0.25 * sides


def _pixels(shape: tuple[int, int], like: Tensor) -> Tensor:
    """Coordinates (H, W, 2) of the pixels, x before y, where ``like`` is."""
    ys, xs = (torch.arange(side).to(like) for side in shape)
    return torch.stack(torch.meshgrid(xs, ys, indexing='xy'), -1)


@lru_cache(maxsize=32)
def _lowering(side: int, small: int) -> np.ndarray:
    """What OpenCV makes of a line that is shrunk and enlarged, float32 (side, side)."""
    units = np.eye(side, dtype=np.float32)
    coarse = cv2.resize(units, (side, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (side, side))


def _stretch(images: Tensor) -> Tensor:
    """Scale each image to [0, 1]."""
    images = images - images.amin((1, 2), keepdim=True)
    return images / images.amax((1, 2), keepdim=True).clamp(min=1e-6)


def _borders(labels: Tensor) -> Tensor:
    """Where a label differs from that above or to the left, bool (N, H, W)."""
    borders = torch.zeros(labels.shape, dtype=torch.bool, device=labels.device)
    borders[:, :, 1:] = labels[:, :, 1:] != labels[:, :, :-1]
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return borders
