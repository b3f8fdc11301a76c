# Training on few images, read and resized as an in-context model sees its supports.
# An experiment adds the data set. tools/in_context_table.py cuts the train split to the
# supports that an in-context model is given.
_base_ = ['episodes.py']
warped = [
    dict(type='LoadOnce', transforms=_base_.support_pipeline),
    dict(
        type='RandomAffineWarp',
        prob=0.8,
        degrees=(-30, 30),
        scale=(0.8, 1.2),
        seg_fill=255,
    ),
]
flips = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
]
intensities = [
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='RandomGamma', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(split='train', pipeline=[*warped, *flips, *intensities]),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', pipeline=_base_.test_pipeline),
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
val_evaluator = test_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
