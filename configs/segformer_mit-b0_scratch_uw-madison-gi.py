# SegFormer-b0 on organs in MRI from scratch, batches of 4: a check on a CPU that
# everything fits together. Without augmentation (so no --tta, which flips) it learns
# few scans by heart. How well: tools/test.py ... --cfg-options
# test_dataloader.dataset.split=train
_base_ = ['segformer_mit-b0_uw-madison-gi.py']
train_pipeline = [
    *_base_.load,
    dict(type='LoadMultiLabelMap'),
    _base_.resize,
    dict(type='PackMultiLabelInputs'),
]
model = dict(
    backbone=dict(drop_path_rate=0.0, init_cfg=None),
    # Dice by image, or organs of a few pixels are left out.
    decode_head=dict(loss_decode=dict(per_image=True)),
)
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(pipeline=train_pipeline)
)
epochs = 200
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=epochs, eta_min=0, by_epoch=True),
]
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
default_hooks = dict(checkpoint=dict(interval=epochs))
