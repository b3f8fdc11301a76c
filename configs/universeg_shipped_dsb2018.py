# The weights of this repository, trained on drawn tasks alone, tested in context on
# nuclei of DSB2018.
_base_ = ['universeg_dsb2018.py']
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
