# The weights that ship, on the tasks of the demo: others than they were trained on, of
# the same generator.
_base_ = ['universeg_synthetic.py']
model = dict(features=(64, 64, 64, 64))
load_from = 'mmseg_universeg://universeg_drawn-tasks'
