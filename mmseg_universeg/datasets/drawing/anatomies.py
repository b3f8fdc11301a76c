"""Families of label maps for which intensity alone is seldom enough.

They are not among the default families: a config names them.
"""

import numpy as np

from .fields import Pose, smooth_fields
from .label_maps import Family
from .options import Changes
from .scenes import Scene, afresh, deformed
from .shapes import Canvas, blob_outlines, clear_of_earlier, grow_tree

# Chances, relative to an object's, that the task is to find something else.
_BACKGROUND = 0.25
_CLUTTER = 0.2

_EXTENT = 1.6
_DENSITY = 1.5


def anatomy(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A body with organs at their places, of fewer tissues than organs.

    What is of one tissue looks alike, so that place and shape must tell it apart. In
    most tasks one organ is a ring around a cavity, with a crescent beside it that is
    filled as the cavity is. Labels: air, body, organs, crescent, ring, cavity.
    """
    canvas = Canvas(size, _EXTENT, _DENSITY)
    body = blob_outlines(
        rng,
        rng.normal(0, 0.05, (1, 2)),
        rng.uniform(0.45, 0.9),
        rng.uniform(1, 1.5),
        0.06,
    )[0]
    canvas.paint(body, 1)
    air, flesh, blood = range(3)
    kinds = int(rng.integers(3, 6))
    tissues = [air, flesh]
    for centre in rng.uniform(-0.45, 0.45, (int(rng.integers(2, 8)), 2)):
        outline = blob_outlines(
            rng,
            centre[None],
            rng.uniform(0.06, 0.25),
            rng.uniform(1, 2.2),
            rng.uniform(0.02, 0.2),
        )
        canvas.paint(outline[0], len(tissues))
        tissues.append(int(rng.choice([air, *range(2, kinds)])))
    chances = [_BACKGROUND, _CLUTTER] + [0.7] * (len(tissues) - 2)
    if rng.random() < 0.75:
        centre = rng.normal(0, 0.1, 2)
        radius = rng.uniform(0.09, 0.24)
        bearing = rng.uniform(0, 2 * np.pi)
        side = np.array([np.cos(bearing), np.sin(bearing)])
        ring = blob_outlines(
            rng, centre[None], radius, rng.uniform(1, 1.3), rng.uniform(0, 0.1)
        )[0]
        beside = centre + side * radius * rng.uniform(0.7, 1.2)
        crescent = blob_outlines(
            rng, beside[None], radius * rng.uniform(0.7, 1.2), rng.uniform(1, 1.6), 0.15
        )[0]
        cavity = centre + (ring - centre) * rng.uniform(0.5, 0.82)
        for outline in (crescent, ring, cavity):
            canvas.paint(outline, len(tissues))
            tissues.append(blood)
        tissues[-2] = int(rng.choice([flesh, kinds]))
        chances += [1.5, 1.5, 1.5]
    return deformed(
        canvas, size, Pose.draw(rng, changes), chances, tissues=tuple(tissues)
    )


def lesion(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """A single small lesion, anywhere in an organ; drawn afresh for each image.

    Labels: background, organ, other structures in it, lesion.
    """
    organ, other, spot = range(1, 4)
    radius = rng.uniform(0.3, 0.6)
    aspect = rng.uniform(1, 1.5)
    small = np.exp(rng.uniform(np.log(0.05), np.log(0.16)))
    spread = rng.uniform(0.05, 0.4)
    roughness = rng.uniform(0.02, 0.35)
    elongation = rng.uniform(1, 1.8)
    most_others = int(rng.choice([0, 2, 4, 8]))
    other_radius = rng.uniform(0.03, 0.12)

    def draw_one(rng: np.random.Generator) -> np.ndarray:
        canvas = Canvas(size)
        centre = rng.normal(0, 0.04, (1, 2))
        organs = canvas.mask(blob_outlines(rng, centre, radius, aspect, 0.08))
        canvas.labels[organs] = organ
        places = canvas.scatter(rng, rng.integers(0, most_others + 1))
        sizes = other_radius * np.exp(rng.normal(0, 0.3, len(places)))
        others = canvas.mask(blob_outlines(rng, places, sizes, 1.5, 0.1))
        canvas.labels[organs & others] = other
        away = rng.uniform(0, 0.7) * radius
        angle = rng.uniform(0, 2 * np.pi)
        place = centre + away * np.array([np.cos(angle), np.sin(angle)])
        wide = small * np.exp(rng.normal(0, spread))
        canvas.paint(blob_outlines(rng, place, wide, elongation, roughness)[0], spot)
        return canvas.labels

    return afresh(draw_one, [_BACKGROUND, 0.7, _CLUTTER, 2.0])


def layers(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """Layered tissue: wavy bands on each other, some of them thin."""
    canvas = Canvas(size, _EXTENT, _DENSITY)
    height = canvas.shape[0]
    count = int(rng.integers(3, 9))
    thickness = np.exp(rng.normal(0, 0.8, count))
    thickness[[0, -1]] += thickness.sum() * rng.uniform(0.1, 0.5, 2)
    depths = np.cumsum(thickness)[:-1] / thickness.sum()
    waves = smooth_fields(rng, 2, canvas.shape, rng.uniform(1.5, 5))
    ys = np.arange(height)[:, None] / height
    # What all borders follow, and how the thickness varies along them.
    bend = rng.uniform(0, 0.08) * waves[0, height // 2]
    swell = np.exp(rng.uniform(0, 0.25) * waves[1, height // 2])
    canvas.labels[:] = np.searchsorted(depths, (ys - bend - 0.5) * swell + 0.5)
    chances = [_BACKGROUND] + [1.0] * (count - 2) + [_BACKGROUND]
    return deformed(canvas, size, Pose.draw(rng, changes), chances, graded=True)


def lookalikes(
    rng: np.random.Generator, size: tuple[int, int], changes: Changes
) -> Scene:
    """Objects of one look and two shapes: long or round, large or small.

    Drawn afresh for each image. Labels: background, one kind, the other kind.
    """
    by_size = rng.random() < 0.5
    radius = np.exp(rng.uniform(np.log(0.035), np.log(0.09)))
    radii = np.array([radius, radius * (rng.uniform(1.9, 2.6) if by_size else 1.0)])
    aspects = np.array([1.1, 1.1 if by_size else rng.uniform(2.2, 4.0)])
    swap = rng.random() < 0.5
    per_kind = int(rng.integers(2, 9))
    roughness = rng.uniform(0, 0.1)

    def draw_one(rng: np.random.Generator) -> np.ndarray:
        canvas = Canvas(size)
        kinds = rng.permutation(np.repeat([0, 1], per_kind))
        centres = canvas.scatter(rng, len(kinds))
        reach = radii[kinds] * np.sqrt(aspects[kinds])
        for n in np.flatnonzero(clear_of_earlier(centres, reach)):
            kind = kinds[n]
            outline = blob_outlines(
                rng, centres[n : n + 1], radii[kind], aspects[kind], roughness
            )
            canvas.paint(outline[0], 1 + (kind != swap))
        return canvas.labels

    return afresh(draw_one, [0.0, 1.0, 1.0], tissues=(0, 1, 1))


def fine_vessels(
    rng: np.random.Generator, size: tuple[int, int], changes: Changes
) -> Scene:
    """Trees of thin vessels from one root or several, on a ground with a spot."""
    canvas = Canvas(size, 1.4, 2.0)
    spot = blob_outlines(
        rng, rng.uniform(-0.4, 0.4, (1, 2)), rng.uniform(0.05, 0.12), 1.1, 0.05
    )
    canvas.paint(spot[0], 1)
    kinds = int(rng.choice([1, 1, 1, 2]))
    together = rng.random() < 0.6
    root = spot[0].mean(0)
    forks = rng.uniform(2, 6)
    for kind in range(kinds):
        width = rng.uniform(0.02, 0.045)
        starts = canvas.scatter(rng, int(rng.integers(4, 12)))
        for start in starts:
            heading = rng.uniform(0, 2 * np.pi)
            for path, wide in grow_tree(
                rng,
                root if together else start,
                heading,
                width,
                rng.uniform(0.03, 0.06),
                rng.uniform(0.05, 0.25),
                forks,
                width * rng.uniform(0.3, 0.6),
            ):
                canvas.stroke(path, wide, 2 + kind)
    chances = [_BACKGROUND, 0.2] + [1.5] * kinds
    return deformed(canvas, size, Pose.draw(rng, changes), chances, roam=0.15)


def packed(rng: np.random.Generator, size: tuple[int, int], changes: Changes) -> Scene:
    """Many small objects of a narrow range of sizes, touching and in clusters.

    Drawn afresh for each image. Labels: background, objects, and in some tasks
    debris.
    """
    radius = np.exp(rng.uniform(np.log(0.02), np.log(0.08)))
    spread = rng.uniform(0.05, 0.4)
    aspect = rng.uniform(1, 1.8)
    roughness = rng.uniform(0, 0.15)
    clusters = int(rng.integers(1, 6))
    tightness = rng.uniform(1.2, 4)
    most = int(rng.integers(8, 60))
    debris = rng.random() < 0.4

    def draw_one(rng: np.random.Generator) -> np.ndarray:
        canvas = Canvas(size)
        if debris:
            places = canvas.scatter(rng, int(rng.integers(0, 12)))
            sizes = radius * rng.uniform(0.15, 0.5, len(places))
            canvas.paint(blob_outlines(rng, places, sizes, 1.4, 0.2), 2)
        count = int(rng.integers(most // 4 + 1, most + 1))
        hearts = canvas.scatter(rng, clusters)
        reach = radius * tightness * np.sqrt(count / clusters)
        centres = hearts[rng.integers(0, clusters, count)]
        centres = centres + rng.normal(0, reach, (count, 2))
        sizes = radius * np.exp(rng.normal(0, spread, count))
        keep = clear_of_earlier(centres, 0.95 * sizes)
        canvas.paint(
            blob_outlines(rng, centres[keep], sizes[keep], aspect, roughness), 1
        )
        return canvas.labels

    return afresh(draw_one, [_BACKGROUND, 1.5] + [_CLUTTER] * debris)


HARDER_FAMILIES: tuple[Family, ...] = (
    anatomy,
    lesion,
    layers,
    lookalikes,
    fine_vessels,
    packed,
)
