# The heart in ACDC, slices; patients are divided, whole volumes scored.
crop_size = (128, 128)
train_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(
        type='RandomAffineWarp',
        prob=0.8,
        degrees=(-30, 30),
        scale=(0.8, 1.2),
        seg_fill=255,
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='RandomGamma', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(
        type='PackSegInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'case_id', 'slice_index'),
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='ACDCSlicesDataset', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ACDCSlicesDataset', split='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='CaseMetric')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
