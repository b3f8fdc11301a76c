# Up to five points on each nucleus: the first in its middle, the others where the mask
# is still wrong. Goes on from the weights of medsam_small-point_dsb2018.py, at a lower
# rate.
_base_ = ['medsam_small-point_dsb2018.py']
model = dict(points=5)
load_from = 'work_dirs/medsam_small-point_dsb2018/iter_2500.pth'
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=20, end=600, eta_min=0, by_epoch=False),
]
train_cfg = dict(max_iters=600, val_interval=600)
