from .appearance import Look, draw_look, render
from .label_maps import FAMILIES, Scene

__all__ = ['FAMILIES', 'Look', 'Scene', 'draw_look', 'render']
