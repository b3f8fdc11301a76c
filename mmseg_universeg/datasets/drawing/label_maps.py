"""Families of label maps: what a drawn task shows.

A family is a function ``(rng, size, changes) -> Scene`` that draws what all images
of one task have in common; the scene then draws the label map of any number of images.
There are two kinds: families of one anatomy, whose images are deformations of
one prototype, and families of many like objects, drawn afresh for each image
with the same statistics. ``FAMILIES`` lists them with their weights.
"""

from collections.abc import Callable

import numpy as np

from .fields import Pose, smooth_fields
from .options import Changes
from .scenes import Scene, afresh, deformed
from .shapes import Canvas, blob_outlines, clear_of_earlier, grow_tree, voronoi

# Chances, relative to an object's, that the task is to find something else.
_BACKGROUND = 0.25
_CLUTTER = 0.2

# A prototype is larger than an image, so that windows stay on it, and finer, so
# that nearest-neighbour sampling does not show.
_EXTENT = 1.6
_DENSITY = 1.5


def _paint_regions(rng: np.random.Generator, canvas: Canvas, count: int) -> None:
    """Fill the canvas with smooth regions of the labels 0 to count - 1."""
    cells = rng.uniform(2.0, 6.0) * min(canvas.span)
    canvas.labels[:] = smooth_fields(rng, count, canvas.shape, cells).argmax(0)


def _paint_ground(rng: np.random.Generator, canvas: Canvas) -> int:
    """Paint what lies behind the organs and return its number of labels.

    It is plain, of several regions, or a body with them before a plain ground.
    """
    count = int(rng.choice([1, 1, 2, 3, 5]))
    if count > 1:
        _paint_regions(rng, canvas, count)
    if rng.random() < 0.3:
        middle, radius = rng.normal(0, 0.05, (1, 2)), rng.uniform(0.4, 0.55)
        body = blob_outlines(rng, middle, radius, rng.uniform(1, 1.4), 0.06)
        canvas.labels[~canvas.mask(body)] = count
        count += 1
    return count


def regions(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """Smooth random fields: the largest wins, or one is cut into bands."""
    canvas = Canvas(size, _EXTENT, _DENSITY)
    count = int(rng.integers(2, 7))
    banded = rng.random() < 0.4
    if banded:
        cells = rng.uniform(1.5, 4.0) * _EXTENT
        field = smooth_fields(rng, 1, canvas.shape, cells)[0]
        cuts = np.quantile(field, np.sort(rng.uniform(0.1, 0.9, count - 1)))
        canvas.labels[:] = np.searchsorted(cuts, field)
    else:
        _paint_regions(rng, canvas, count)
    return deformed(canvas, size, Pose.draw(rng, changes), [1.0] * count, banded)


def cells(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A mosaic of Voronoi cells that share a few labels."""
    canvas = Canvas(size, _EXTENT, _DENSITY)
    seeds = canvas.scatter(rng, int(rng.integers(8, 50)))
    index, _ = voronoi(canvas.shape, canvas.to_pixels(seeds))
    count = int(rng.integers(2, 7))
    canvas.labels[:] = rng.integers(0, count, len(seeds))[index]
    return deformed(canvas, size, Pose.draw(rng, changes), [1.0] * count)


def blobs(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A few organs, each at its place, before a plain or a cluttered ground."""
    canvas = Canvas(size, _EXTENT, _DENSITY)
    grounds = _paint_ground(rng, canvas)
    organs = int(rng.integers(1, 6))
    centres = rng.uniform(-0.4, 0.4, (organs, 2)) * np.array(size[::-1]) / min(size)
    radii = rng.uniform(0.06, 0.28, organs)
    for label, (centre, radius) in enumerate(zip(centres, radii), grounds):
        outline = blob_outlines(
            rng, centre[None], radius, rng.uniform(1, 2.2), rng.uniform(0.02, 0.25)
        )
        canvas.paint(outline[0], label)
    chances = [_BACKGROUND] + [_CLUTTER] * (grounds - 1) + [1.0] * organs
    return deformed(canvas, size, Pose.draw(rng, changes), chances)


def ringed(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A wall around a cavity with a neighbour, in a body of other organs."""
    canvas = Canvas(size, _EXTENT, _DENSITY)
    grounds = _paint_ground(rng, canvas)
    neighbour, wall, cavity = range(grounds, grounds + 3)
    centre = rng.normal(0, 0.08, 2)
    radius = rng.uniform(0.12, 0.32)
    outline = blob_outlines(
        rng, centre[None], radius, rng.uniform(1, 1.5), rng.uniform(0, 0.12)
    )[0]
    bearing = rng.uniform(0, 2 * np.pi)
    side = np.array([np.cos(bearing), np.sin(bearing)])
    beside = centre + side * radius * rng.uniform(0.9, 1.3)
    canvas.paint(
        blob_outlines(
            rng, beside[None], radius * rng.uniform(0.6, 1.1), rng.uniform(1, 1.8), 0.15
        )[0],
        neighbour,
    )
    canvas.paint(outline, wall)
    if rng.random() < 0.25:  # open to one side, like a horseshoe
        gap = rng.uniform(0.3, 0.8) * np.array([-1, 1]) + bearing
        rays = 2 * radius * np.stack([np.cos(gap), np.sin(gap)], -1)
        canvas.paint(np.stack([centre, centre + rays[0], centre + rays[1]]), neighbour)
    shrink = 1 - rng.uniform(0.18, 0.5)
    aside = rng.normal(0, 0.04, 2) * radius
    canvas.paint(centre + aside + (outline - centre) * shrink, cavity)
    chances = [_BACKGROUND] + [_CLUTTER] * (grounds - 1) + [0.8, 1.3, 1.0]
    return deformed(canvas, size, Pose.draw(rng, changes), chances, graded=True)


def nested(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A body around a core of one or several lobes, among other objects.

    Drawn afresh for each image. Labels: background, other objects, body, core,
    and in some tasks a kernel within the core.
    """
    other, body, core, kernel = range(1, 5)
    has_kernel = rng.random() < 0.15
    radius = rng.uniform(0.15, 0.42)
    radius_spread = rng.uniform(0.03, 0.35)
    place_spread = rng.uniform(0.01, 0.12)
    fill = rng.uniform(0.35, 0.85)
    fill_spread = rng.uniform(0.02, 0.25)
    most_lobes = int(rng.integers(1, 5))
    eccentricity = rng.uniform(0, 0.9)
    aspect = rng.uniform(1, 1.5)
    roughness = rng.uniform(0, 0.15)
    most_others = int(rng.choice([0, 2, 5, 9, 20]))
    other_radius = radius * rng.uniform(0.3, 1.1)

    def draw_one(rng: np.random.Generator) -> np.ndarray:
        canvas = Canvas(size)
        others = canvas.scatter(rng, rng.integers(0, most_others + 1))
        around = other_radius * np.exp(rng.normal(0, 0.1, len(others)))
        canvas.paint(blob_outlines(rng, others, around, 1.1, roughness), other)
        centre = rng.normal(0, place_spread, 2)
        large = radius * np.exp(rng.normal(0, radius_spread))
        inner = np.clip(fill * np.exp(rng.normal(0, fill_spread)), 0.25, 0.92)
        canvas.paint(blob_outlines(rng, centre[None], large, aspect, roughness), body)
        # Lobes lie on a bent line and together are about as large as one.
        lobes = int(rng.integers(1, most_lobes + 1))
        angles = rng.uniform(0, 2 * np.pi) + np.arange(lobes) * rng.uniform(0.8, 1.8)
        reach = large * (inner * 0.6 if lobes > 1 else (1 - inner) * eccentricity)
        centres = centre + reach * np.stack([np.cos(angles), np.sin(angles)], -1)
        sizes = large * inner / lobes**0.4 * rng.uniform(0.85, 1.15, lobes)
        cores = (canvas.labels == body) & canvas.mask(
            blob_outlines(rng, centres, sizes, aspect, roughness)
        )
        canvas.labels[cores] = core
        if has_kernel:
            small = sizes[:1] * rng.uniform(0.3, 0.5)
            kernels = blob_outlines(rng, centres[:1], small, 1.2, roughness)
            canvas.labels[cores & canvas.mask(kernels)] = kernel
        return canvas.labels

    chances = [_BACKGROUND, _CLUTTER, 1.3, 1.0] + [0.5] * has_kernel
    return afresh(draw_one, chances, graded=True)


def instances(
    rng: np.random.Generator, size: tuple[int, int], changes: Changes
) -> Scene:
    """Many small objects of one to three kinds, some of them with a core.

    Drawn afresh for each image. The last label is the core, if there is one.
    """
    kinds = int(rng.choice([1, 1, 2, 3]))
    has_core = rng.random() < 0.3
    radii = np.exp(rng.uniform(np.log(0.025), np.log(0.12), kinds))
    cover = rng.uniform(0.05, 0.35, kinds)
    spread = rng.uniform(0.03, 0.35, kinds)
    aspects = rng.uniform(1, 2.2, kinds)
    roughness = rng.uniform(0, 0.2, kinds)
    core_share = rng.uniform(0.4, 0.75)
    spacing = rng.uniform(0.6, 1.2)

    def draw_one(rng: np.random.Generator) -> np.ndarray:
        canvas = Canvas(size)
        for kind in rng.permutation(kinds):
            area = np.prod(canvas.span) * cover[kind] * rng.uniform(0.5, 1.5)
            count = int(np.clip(area / (np.pi * radii[kind] ** 2), 1, 50))
            centres = canvas.scatter(rng, count)
            sizes = radii[kind] * np.exp(rng.normal(0, spread[kind], count))
            # Objects that overlap too much with an earlier one are left out.
            keep = clear_of_earlier(centres, spacing * sizes)
            outlines = blob_outlines(
                rng, centres[keep], sizes[keep], aspects[kind], roughness[kind]
            )
            canvas.paint(outlines, kind + 1)
            if has_core and kind == 0:
                middle = outlines.mean(1, keepdims=True)
                canvas.paint(middle + core_share * (outlines - middle), kinds + 1)
        return canvas.labels

    return afresh(draw_one, [_BACKGROUND] + [1.0] * (kinds + has_core))


def membranes(
    rng: np.random.Generator, size: tuple[int, int], changes: Changes
) -> Scene:
    """Thin walls between cells, some of which hold something.

    Each image is a window on a tissue of three by three images.
    """
    canvas = Canvas(size, 3.0, 1.25)
    per_image = rng.uniform(3, 30)
    seeds = canvas.scatter(rng, round(per_image * 9))
    index, from_wall = voronoi(canvas.shape, canvas.to_pixels(seeds))
    # Half the width of a wall: from one pixel to a fifth of a cell.
    cell = canvas.pixels_per_unit / np.sqrt(per_image)
    half = np.exp(rng.uniform(np.log(0.9), np.log(max(1.5, cell / 8))))
    half *= np.exp(0.3 * smooth_fields(rng, 1, canvas.shape, 12)[0])
    kinds = int(rng.choice([1, 1, 2, 3]))
    odds = np.r_[1.0, rng.uniform(0.1, 0.4, kinds - 1)]
    kind = rng.choice(kinds, len(seeds), p=odds / odds.sum())
    canvas.labels[:] = np.where(from_wall < half, 0, kind[index] + 1)
    chances = [1.5] + [1.0] * kinds
    return deformed(canvas, size, Pose.draw(rng, changes), chances, roam=0.8)


def vessels(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """Branching tubes of one or two kinds, on a plain or cluttered ground."""
    canvas = Canvas(size, 2.0, _DENSITY)
    grounds = _paint_ground(rng, canvas)
    kinds = int(rng.choice([1, 1, 2]))
    step = rng.uniform(0.03, 0.07)
    wiggle = rng.uniform(0.05, 0.3)
    forks = rng.uniform(2, 7)
    for kind in range(kinds):
        width = rng.uniform(0.03, 0.09)
        thinnest = width * rng.uniform(0.2, 0.5)
        for start in canvas.scatter(rng, int(rng.integers(2, 8))):
            heading = rng.uniform(0, 2 * np.pi)
            for path, wide in grow_tree(
                rng, start, heading, width, step, wiggle, forks, thinnest
            ):
                canvas.stroke(path, wide, grounds + kind)
    chances = [_BACKGROUND] + [_CLUTTER] * (grounds - 1) + [1.0] * kinds
    return deformed(canvas, size, Pose.draw(rng, changes), chances, roam=0.3)


Family = Callable[[np.random.Generator, tuple[int, int], Changes], Scene]

FAMILIES: dict[Family, float] = {
    regions: 1.0,
    cells: 0.7,
    blobs: 1.5,
    ringed: 1.5,
    nested: 3.0,
    instances: 1.3,
    membranes: 0.8,
    vessels: 1.0,
}
