# A cosine for a long training of small images, with checkpoints along the way.
_base_ = ['in-context_300.py']
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=100, end=12000, eta_min=5e-5, by_epoch=False),
]
train_cfg = dict(max_iters=12000, val_interval=1000)
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(interval=1000, max_keep_ckpts=-1)
)
