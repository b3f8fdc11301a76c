# UniverSeg from scratch on white blood cells: what its variants are compared with.
_base_ = ['universeg_wbc.py']
