# The weights of this repository, trained on drawn tasks alone, tested in context on
# white blood cells of Dataset 1.
_base_ = ['universeg_wbc.py']
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
