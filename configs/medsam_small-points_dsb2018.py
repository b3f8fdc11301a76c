# Up to five points on each nucleus: the first in its middle, the others where the mask
# is wrong, in training and testing.
_base_ = ['medsam_small-point_dsb2018.py']
model = dict(points=5)
