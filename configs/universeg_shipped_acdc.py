# The weights of this repository, trained on drawn tasks alone, tested in context on
# the heart in ACDC's slices.
_base_ = ['universeg_acdc.py']
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
