_base_ = ['medsam_small_1500.py']
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=100, end=2500, eta_min=0, by_epoch=False),
]
train_cfg = dict(max_iters=2500, val_interval=2500)
