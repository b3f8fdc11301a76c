from .appearance import Look, draw_look, render
from .label_maps import FAMILIES
from .scenes import Scene

__all__ = ['FAMILIES', 'Look', 'Scene', 'draw_look', 'render']
