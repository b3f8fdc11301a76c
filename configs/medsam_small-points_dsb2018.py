# Up to five points on each nucleus: the first in its middle, the others where the mask
# is still wrong. For testing with the weights of medsam_small-point_dsb2018.py.
_base_ = ['medsam_small-point_dsb2018.py']
model = dict(points=5)
