# A cosine, with checkpoints along the way.
_base_ = ['in-context_300.py']
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=50, end=3000, eta_min=1e-4, by_epoch=False),
]
train_cfg = dict(max_iters=3000, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500, max_keep_ckpts=-1))
