# The network of universeg_multi.py, fine-tuned on the train splits of the white blood
# cells.
_base_ = ['universeg_wbc.py']
load_from = 'work_dirs/universeg_multi/iter_4500.pth'
optim_wrapper = dict(optimizer=dict(lr=2e-4))
