"""Drawn tasks made in torch, on the device that trains: all those of a batch at once.

`deform`, `render` and `acquire` do the same as the functions of these names in
`fields`, `appearance` and `acquisition`, step for step, and are tested against them. A
device waits for whoever tells it what to do, so what is done to every image is done to
those of all tasks together; only what happens to few tasks is done to each of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .acquisition import black_borders, draw_strengths, vignette
from .appearance import Look, Texture, lose_contrast
from .fields import Pose, draw_window, grid
from .options import Acquisition
from .torch_filters import blur, compress, lower_resolution, pixels, sample, upsample


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


@dataclass(frozen=True)
class Source:
    """Where the random numbers of a task come from.

    Attributes:
        rng: Of what is small.
        noise: Gives standard normal numbers, float32 of a shape, on the device.
    """

    rng: np.random.Generator
    noise: Callable[[tuple[int, ...]], Tensor]

    @classmethod
    def of(cls, seed: int, device: torch.device) -> 'Source':
        """Give the numbers of a seed."""
        generator = torch.Generator(device).manual_seed(seed)

        def noise(shape: tuple[int, ...]) -> Tensor:
            return torch.randn(shape, generator=generator, device=device)

        return cls(np.random.default_rng(seed), noise)


@torch.no_grad()
def draw_sketches(
    sketches: Sequence[Sketch], device: torch.device | str
) -> list[tuple[Tensor, Tensor]]:
    """Make the images of sketched tasks on a device.

    Those of a task are the same again on the same kind of device, but for rounding also
    among other tasks; other kinds of device draw other noise.

    Returns:
        Of each task images float32 (N, H, W), from 0 to 1 each, and masks float32
        (N, H, W) of 0 and 1.

    Raises:
        ValueError: If the tasks' images are not of one size.
    """
    sizes = sorted({tuple(sketch.labels.shape[1:]) for sketch in sketches})
    if len(sizes) > 1:
        raise ValueError(
            f'drawn tasks of one batch differ in size: {sizes}; give all their data '
            'sets one image_size'
        )
    device = torch.device(device)
    # In full precision, also where a model in training calls this.
    with torch.autocast(device.type, enabled=False):
        sources = [Source.of(sketch.seed, device) for sketch in sketches]
        labels = _label_maps(sources, sketches, device)
        images = render(sources, labels, [sketch.look for sketch in sketches])
        masks = [
            (label == sketch.look.foreground).float()
            for label, sketch in zip(labels, sketches)
        ]
        leasts = [sketch.shares[0] for sketch in sketches]
        acquisitions = [sketch.acquisition for sketch in sketches]
        return acquire(sources, images, masks, leasts, acquisitions)


def _label_maps(
    sources: Sequence[Source], sketches: Sequence[Sketch], device: torch.device
) -> list[Tensor]:
    """Label maps (N, H, W) of each task: those that it has, and deformed ones."""
    labels = [sketch.labels.to(device) for sketch in sketches]
    few = [n for n, sketch in enumerate(sketches) if sketch.num_images > len(labels[n])]
    # One after the other, and never the query's.
    again = []
    for n in few:
        further = sketches[n].num_images - len(labels[n])
        again.append(labels[n][1 + torch.arange(further) % (len(labels[n]) - 1)])
    poses = [sketches[n].pose for n in few]
    bent = deform([sources[n] for n in few], again, poses) if few else []
    for n, before, after in zip(few, again, bent):
        mask = (after == sketches[n].look.foreground).float()
        share = mask.mean((1, 2), keepdim=True)
        least, most = sketches[n].shares
        usable = (share >= least) & (share <= most)
        labels[n] = torch.cat([labels[n], torch.where(usable, after, before)])
    return labels


def deform(
    sources: Sequence[Source], labels: Sequence[Tensor], poses: Sequence[Pose]
) -> list[Tensor]:
    """Label maps seen through deformed windows, mirrored at their outermost pixels.

    Each is looked at as `fields.deform` looks at a canvas.

    Args:
        sources: Of each task; the elastic displacement is large.
        labels: uint8 (N, H, W) of each task, where the noise is.
        poses: Spread of each task's deformations.

    Returns:
        uint8 (N, H, W) of each task, values of the nearest pixels.
    """
    height, width = shape = labels[0].shape[1:]
    side = min(shape)
    bends, windows = [], []
    for source, some, pose in zip(sources, labels, poses, strict=True):
        nodes = source.noise((2 * len(some), *grid(shape, pose.elastic_cells)))
        reach = pose.elastic / pose.elastic_cells * side
        bends.append(upsample(nodes * reach, shape).unflatten(0, (-1, 2)))
        windows += [draw_window(source.rng, pose, side) for _ in some]
    points = torch.cat(bends).movedim(1, -1)
    linear, shift = (torch.from_numpy(np.stack(each)) for each in zip(*windows))
    middle = points.new_tensor([(width - 1) / 2, (height - 1) / 2])
    places = (pixels(shape, points) - middle) / side
    points = points + torch.einsum('hwi,noi->nhwo', places, linear.to(points))
    points += (shift.to(points) + middle)[:, None, None]
    together = torch.cat(list(labels))
    bent = sample(together.to(points), points, 'nearest').to(together)
    return list(bent.split([len(some) for some in labels]))


def render(
    sources: Sequence[Source], labels: Sequence[Tensor], looks: Sequence[Look]
) -> list[Tensor]:
    """Images of label maps.

    Args:
        sources: Of each task; the images are where the noise is.
        labels: uint8 (N, H, W) of each task, there too.
        looks: The appearance of each task's labels.

    Returns:
        float32 (N, H, W) of each task, from 0 to 1 each.
    """
    counts = [len(some) for some in labels]
    height, width = shape = labels[0].shape[1:]
    slow, white, means, tops, lefts, lost, towards, sigmas = ([] for _ in range(8))
    nothing = np.zeros(shape, np.float32)
    for source, some, look in zip(sources, labels, looks, strict=True):
        slow.append(source.noise((2 * len(some), *grid(shape, 2.5))))
        jitter = source.rng.normal(0, look.jitter, (len(some), len(look.means)))
        means.append(look.means + jitter)
        white.append(source.noise((len(some), *shape)))
        # Objects are told apart on the CPU.
        maps = some.cpu().numpy() if look.faint else some
        for label, mean in zip(maps, means[-1]):
            tops.append(source.rng.integers(0, height + 1))
            lefts.append(source.rng.integers(0, width + 1))
            share, largest = nothing, 0
            if look.faint:
                share, largest = lose_contrast(source.rng, label, look)
            lost.append(share)
            towards.append(mean[largest])
            sigmas.append(look.blur * source.rng.uniform(0.8, 1.25))
    slow, white = upsample(torch.cat(slow), shape), torch.cat(white)
    labels = torch.cat(list(labels))
    index = labels.flatten(1).long()

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(white)

    def of_task(name: str) -> Tensor:
        """A number (N, 1, 1) of the look of each image's task."""
        values = [getattr(look, name) for look in looks]
        return put(np.repeat(values, counts)[:, None, None])

    def of_label(values: Sequence[np.ndarray]) -> Tensor:
        """Values (N, H, W) of each pixel's label; given (L,) or (N, L) of each task."""
        table = np.zeros((len(white), max(part.shape[-1] for part in values)))
        for rows, part in zip(np.split(table, np.cumsum(counts)[:-1]), values):
            rows[:, : part.shape[-1]] = part
        return put(table).gather(1, index).view(white.shape)

    clean = of_label(means) + of_label([look.shading for look in looks]) * slow[::2]
    textures, numbers = number_textures(looks)
    if textures:
        patterns = draw_patterns(textures, (2 * height, 2 * width), white)
        # Each image shows a part of every pattern, each pixel that of its label.
        rows, columns = (
            put(starts)[:, None].long() + torch.arange(side, device=white.device)
            for starts, side in ((tops, height), (lefts, width))
        )
        numbers = of_label(numbers).long()
        parts = patterns[numbers, rows[:, :, None], columns[:, None]]
        clean += of_label([look.grain for look in looks]) * parts
    if any(look.faint for look in looks):
        middles = put(towards)[:, None, None]
        clean += put(np.stack(lost)) * (middles - clean)
    if any(look.rim for look in looks):
        clean += of_task('rim') * _borders(labels)
    clean = blur(clean, np.array(sigmas))
    if any(look.bias for look in looks):
        clean *= torch.exp(of_task('bias') * slow[1::2])
    images = _stretch(clean + of_task('noise') * white) ** of_task('gamma')
    images = torch.where(of_task('invert') > 0, 1 - images, images)
    return list(images.split(counts))


def number_textures(
    looks: Sequence[Look],
) -> tuple[list[Texture], list[np.ndarray]]:
    """The textures that are seen, and their numbers (L,) by label for each look.

    Labels without texture have any number.
    """
    textures, numbers = [], []
    for look in looks:
        own = np.zeros(len(look.textures), int)
        for k in np.unique(look.pattern[look.grain > 0]):
            own[k] = len(textures)
            textures.append(look.textures[k])
        numbers.append(own[look.pattern])
    return textures, numbers


def draw_patterns(
    textures: Sequence[Texture], shape: tuple[int, int], like: Tensor
) -> Tensor:
    """Patterns (T, H, W) of mean 0 and deviation 1, where ``like`` is."""
    fields = []
    for texture in textures:
        field = upsample(torch.from_numpy(texture.nodes).to(like), shape)
        if texture.kind == 'spots':
            field = (field - texture.threshold).clamp(min=0)
        elif texture.kind == 'ridges':
            field = field.abs()
        elif texture.kind == 'fibres':
            linear = torch.from_numpy(texture.linear.T).to(like)
            field = sample(field[None], (pixels(shape, like) @ linear)[None])[0]
        fields.append(field)
    fields = torch.stack(fields)
    fields -= fields.mean((1, 2), keepdim=True)
    return fields / (fields.std((1, 2), correction=0, keepdim=True) + 1e-6)


def acquire(
    sources: Sequence[Source],
    images: Sequence[Tensor],
    masks: Sequence[Tensor],
    leasts: Sequence[float],
    acquisitions: Sequence[Acquisition],
) -> list[tuple[Tensor, Tensor]]:
    """Pictures as an instrument would have taken them.

    Args:
        sources: Of each task.
        images: float32 (N, H, W) in [0, 1] of each task.
        masks: float32 (N, H, W) of 0 and 1 of each task.
        leasts: Share of an image that a mask of each task has to keep.
        acquisitions: Chances and ranges of each task.

    Returns:
        Of each task the images, from 0 to 1 each, and the masks.
    """
    strengths, taken = [], []
    for source, some, acquisition in zip(sources, images, acquisitions, strict=True):
        strengths.append(draw_strengths(source.rng, acquisition))
        taken.append(_take(source, some, strengths[-1]))
    taken, seen_masks = list(_stretch_all(taken)), []
    for n, (source, mask, least) in enumerate(zip(sources, masks, leasts, strict=True)):
        if quality := strengths[n]['compression']:
            taken[n] = compress(taken[n], round(quality))
        if border := strengths[n]['black_borders']:
            black = black_borders(source.rng, mask.shape, border)
            seen = torch.from_numpy(~black).to(mask)
            kept = (mask * seen).mean((1, 2), keepdim=True) >= least
            seen = torch.where(kept, seen, 1)
            taken[n], mask = taken[n] * seen, mask * seen
        seen_masks.append(mask)
    return list(zip(_stretch_all(taken), seen_masks))


def _take(source: Source, images: Tensor, strengths: dict[str, float]) -> Tensor:
    """Images (N, H, W) of one task after what happens before they are digital."""
    num, height, width = images.shape
    grain = source.rng.uniform(1.0, 3.0)

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(images)

    if negative := strengths['negative']:
        flipped = put(source.rng.random(num) < negative)[:, None, None]
        images = images + flipped * (1 - 2 * images)
    if exposure := strengths['exposure']:
        images = images ** put(np.exp(source.rng.normal(0, exposure, (num, 1, 1))))
    if vignetting := strengths['vignetting']:
        images = images * put(vignette((height, width), vignetting))
    if reach := strengths['partial_volume']:
        images = _mix_slices(source, images, reach)
    if (shrink := strengths['low_resolution']) > 1:
        images = lower_resolution(images, shrink)
    if rician := strengths['rician']:
        along, aside = rician * source.noise((2, *images.shape))
        images = torch.sqrt((images + along) ** 2 + aside**2)
    if speckle := strengths['speckle']:
        nodes = grid((height, width), min(height, width) / grain)
        noise = upsample(source.noise((num, *nodes)), (height, width))
        images = images * (1 + speckle * noise)
    return images


def _mix_slices(source: Source, images: Tensor, reach: float) -> Tensor:
    """Mean of each image and of two that are bent by up to ``reach`` pixels or so."""
    num, *shape = images.shape
    nodes = source.noise((2 * num, *grid(shape, 3)))
    bends = upsample(reach * nodes, shape).unflatten(0, (-1, 2)).movedim(1, -1)
    middle = pixels(shape, images)
    sides = sample(images, middle - bends) + sample(images, middle + bends)
    return 0.5 * images + 0.25 * sides


def _stretch_all(images: Sequence[Tensor]) -> Sequence[Tensor]:
    """Scale each image (N, H, W) of each task to [0, 1]."""
    return _stretch(torch.cat(list(images))).split([len(some) for some in images])


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
