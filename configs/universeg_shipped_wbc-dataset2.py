# The weights of this repository, trained on drawn tasks alone, tested in context on
# white blood cells of Dataset 2.
_base_ = ['universeg_wbc-dataset2.py']
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
