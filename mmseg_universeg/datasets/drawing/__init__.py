from .acquisition import acquire
from .anatomies import HARDER_FAMILIES
from .appearance import CUES, Look, draw_look, render
from .label_maps import FAMILIES
from .objects import varied
from .on_device import Sketch, draw_sketches
from .options import Acquisition, Appearance, Changes
from .scenes import Scene

__all__ = [
    'CUES',
    'FAMILIES',
    'HARDER_FAMILIES',
    'Acquisition',
    'Appearance',
    'Changes',
    'Look',
    'Scene',
    'Sketch',
    'acquire',
    'draw_look',
    'draw_sketches',
    'render',
    'varied',
]
