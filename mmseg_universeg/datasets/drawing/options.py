"""The ranges from which drawn tasks take what distinguishes them.

A range is ``(lowest, highest)``; where something does not happen in every task it is
``(chance, lowest, highest)``, the chance being that of a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite
from numbers import Real

import numpy as np


class Ranges:
    """Base of the options: checks every value against the form of its default."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), np.size(field.default)
            name = f'{type(self).__name__.lower()}.{field.name}'
            form = ('a number', '(lowest, highest)', '(chance, lowest, highest)')
            numbers = value if isinstance(value, Sequence) else [value]
            if (
                isinstance(value, Sequence) != (wanted > 1)
                or len(numbers) != wanted
                or not all(isinstance(n, Real) and isfinite(n) for n in numbers)
            ):
                raise ValueError(f'{name} must be {form[wanted - 1]}, found {value!r}')
            if min(numbers) < 0 or (wanted > 1 and numbers[-2] > numbers[-1]):
                order = ' and in this order' if wanted > 1 else ''
                raise ValueError(
                    f'{name} must be {form[wanted - 1]} from 0{order}, found {value!r}'
                )
            if wanted == 3 and numbers[0] > 1:
                raise ValueError(
                    f'{name} must begin with a chance from 0 to 1, found {value!r}'
                )

    @classmethod
    def of(cls, values: dict) -> 'Ranges':
        """Make the options of a config's dict.

        Raises:
            ValueError: If a key is not known, or a value not of the right form.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(
                f'{cls.__name__.lower()} has no {unknown[0]!r}; it has '
                + ', '.join(known)
            )
        return cls(**values)


@dataclass(frozen=True)
class Appearance(Ranges):
    """How the labels of a task look. Intensities are shares of their whole range.

    Attributes:
        contrast: Least difference of the foreground's mean to the others'; drawn
            uniformly in the logarithm.
        texture: Deviation from which the amplitudes of the textures are drawn.
        gradient: Deviation of the amplitude of slow changes within a label.
        boundary: Brightness of lines between labels, light or dark.
        blur: Deviation in pixels of an image of 96; logarithmic.
        noise: Deviation of Gaussian noise; logarithmic.
        bias: Deviation of the logarithm of a multiplicative field.
        gamma: Exponent of the intensities; logarithmic.
        inverted: Chance that dark is bright.
        by_texture: Chance that the foreground differs by texture alone from the
            labels it touches.
        by_place: Chance that labels elsewhere look like the foreground.
    """

    contrast: Sequence[float] = (0.08, 0.3)
    texture: Sequence[float] = (0.0, 0.12)
    gradient: float = 0.06
    boundary: Sequence[float] = (0.2, 0.1, 0.5)
    blur: Sequence[float] = (0.4, 1.6)
    noise: Sequence[float] = (0.005, 0.12)
    bias: Sequence[float] = (0.5, 0.0, 0.35)
    gamma: Sequence[float] = (0.7, 1.4)
    inverted: float = 0.5
    by_texture: float = 0.12
    by_place: float = 0.23

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by_texture + self.by_place > 1 or self.inverted > 1:
            raise ValueError(
                'appearance.inverted must be at most 1, and so must be by_texture and '
                f'by_place together, found {self.inverted}, {self.by_texture} and '
                f'{self.by_place}'
            )
        for name in ('contrast', 'blur', 'noise', 'gamma'):
            if min(getattr(self, name)) <= 0:
                raise ValueError(
                    f'appearance.{name} is drawn in the logarithm and must be above '
                    f'0, found {getattr(self, name)!r}'
                )


@dataclass(frozen=True)
class Changes(Ranges):
    """How the images of one task differ. Lengths are shares of the shorter side.

    Attributes:
        any_way: Chance that the images of a task may lie any way and be mirrored.
        rotation: Largest angle otherwise, in radians.
        scale: Deviation of the logarithm of the zoom.
        stretch: Deviation of the logarithm of the aspect ratio.
        shift: Deviation of the translation.
        elastic: Deviation of the elastic displacement in cells of its grid; folds
            begin to appear above 0.2.
        elastic_cells: Cells of that grid along the shorter side.
        intensity: Deviation of a label's mean, in units of the contrast.
        missing: Chance that an object is not there; of each image.
        repeated: Chance that an object is there twice; of each image.
        distractors: Most objects of a further label that come and go.
        faint: Most of its contrast that an object of the foreground may lose; of
            each object.
    """

    any_way: float = 0.5
    rotation: Sequence[float] = (0.0, 0.35)
    scale: Sequence[float] = (0.02, 0.15)
    stretch: Sequence[float] = (0.0, 0.12)
    shift: Sequence[float] = (0.01, 0.08)
    elastic: Sequence[float] = (0.03, 0.18)
    elastic_cells: Sequence[float] = (2.0, 6.0)
    intensity: Sequence[float] = (0.0, 0.35)
    missing: Sequence[float] = (0.0, 0.1, 0.5)
    repeated: Sequence[float] = (0.0, 0.1, 0.5)
    distractors: Sequence[float] = (0.0, 1, 6)
    faint: Sequence[float] = (0.0, 0.3, 0.8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.any_way, self.missing[2], self.repeated[2]) > 1:
            raise ValueError(
                'changes.any_way, missing and repeated must be chances of at most 1, '
                f'found {self.any_way!r}, {self.missing!r} and {self.repeated!r}'
            )
        if self.faint[2] > 1:
            raise ValueError(
                f'changes.faint must be a share of at most 1, found {self.faint!r}'
            )
        if self.elastic_cells[0] <= 0:
            raise ValueError(
                f'changes.elastic_cells must be above 0, found {self.elastic_cells!r}'
            )


@dataclass(frozen=True)
class Acquisition(Ranges):
    """What imaging does to a picture: none of it by default.

    Attributes:
        negative: Share of a task's images that are inverted.
        exposure: Deviation from image to image of the logarithm of the exponent of
            the intensities.
        vignetting: Share of the brightness that is lost in the corners.
        partial_volume: Reach in pixels of the neighbouring slices that are mixed in.
        low_resolution: By how much an image is shrunk and enlarged again.
        rician: Deviation of the noise of magnitude images.
        speckle: Deviation of multiplicative noise with grains.
        compression: Quality of JPEG, 1 to 100.
        black_borders: Share of the sides, or of the radius, that is black.
    """

    negative: Sequence[float] = (0.0, 0.1, 0.5)
    exposure: Sequence[float] = (0.0, 0.1, 0.5)
    vignetting: Sequence[float] = (0.0, 0.2, 0.8)
    partial_volume: Sequence[float] = (0.0, 0.5, 3.0)
    low_resolution: Sequence[float] = (0.0, 1.2, 3.0)
    rician: Sequence[float] = (0.0, 0.02, 0.15)
    speckle: Sequence[float] = (0.0, 0.05, 0.4)
    compression: Sequence[float] = (0.0, 10, 60)
    black_borders: Sequence[float] = (0.0, 0.02, 0.25)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            self.black_borders[2] >= 0.5
            or self.vignetting[2] > 1
            or self.negative[2] > 1
        ):
            raise ValueError(
                'acquisition.black_borders must be below 0.5, vignetting and negative '
                f'at most 1, found {self.black_borders!r}, {self.vignetting!r} and '
                f'{self.negative!r}'
            )
        if self.low_resolution[1] < 1 or not (
            1 <= self.compression[1] <= self.compression[2] <= 100
        ):
            raise ValueError(
                'acquisition.low_resolution must be from 1 and compression from 1 to '
                f'100, found {self.low_resolution!r} and {self.compression!r}'
            )
