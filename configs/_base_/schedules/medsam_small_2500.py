# From scratch: a higher rate than MedSAM's own, warmed up and let down to 0.
_base_ = ['medsam_1000.py']
optim_wrapper = dict(
    _delete_=True,
    type='BFloat16OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=100, end=2500, eta_min=0, by_epoch=False),
]
train_cfg = dict(max_iters=2500, val_interval=2500)
