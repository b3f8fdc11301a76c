# Two thirds of a cosine: for a training that goes on with larger images.
_base_ = ['in-context_300.py']
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=20, end=1500, eta_min=1e-4, by_epoch=False),
]
train_cfg = dict(max_iters=1000, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=100))
