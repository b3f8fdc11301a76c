# Half of a cosine: for a training that goes on with other tasks.
_base_ = ['in-context_300.py']
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=50, end=4000, eta_min=2e-4, by_epoch=False),
]
train_cfg = dict(max_iters=2000, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=200))
