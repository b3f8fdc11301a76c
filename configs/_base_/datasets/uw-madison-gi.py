# Organs of UW-Madison in MRI, folds of cases, of which fold 0 is for testing; three
# slices, two apart, as channels. Whole scans are scored at their original size.
image_size = (288, 288)
load = [
    dict(type='LoadSliceStack'),
    dict(type='MinMaxNormalize', percentiles=(0.5, 99.5)),
]
pack = [dict(type='LoadMultiLabelMap'), dict(type='PackMultiLabelInputs')]
resize = dict(type='Resize', scale=image_size, keep_ratio=False)
train_pipeline = [
    *load,
    dict(type='LoadMultiLabelMap'),
    resize,
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='PackMultiLabelInputs'),
]
# Labels after Resize, so that scores are taken at the original size.
test_pipeline = [*load, resize, *pack]
tta_pipeline = [
    *load,
    resize,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadMultiLabelMap')],
            [dict(type='PackMultiLabelInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='UWMadisonGIDataset', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='UWMadisonGIDataset', split='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='UWMadisonMetric'), dict(type='CaseMetric')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
