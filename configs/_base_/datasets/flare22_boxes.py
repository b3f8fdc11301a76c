# Organs of FLARE22, one box per organ and slice, as the released MedSAM is trained: one
# organ of an image at a time, boxes grown by 0 to 20 pixels, no augmentation.
image_size = (1024, 1024)
train_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToThreeChannels'),
    dict(type='Resize', scale=image_size, keep_ratio=False, interpolation='bicubic'),
    dict(type='MinMaxNormalize'),
    dict(type='BoxPromptsFromMask', max_shift=20, max_boxes=1, skip_empty=True),
    dict(type='PackBoxPromptInputs'),
]
# Labels after Resize, so that scores are taken at the original size.
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='ToThreeChannels'),
    dict(type='Resize', scale=image_size, keep_ratio=False, interpolation='bicubic'),
    dict(type='MinMaxNormalize'),
    dict(type='LoadLabelMap'),
    dict(type='BoxPromptsFromMask'),
    dict(type='PackBoxPromptInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='FLARE22Dataset', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='FLARE22Dataset', split='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='BoxMetric'),
    dict(type='CaseMetric', metrics=('dsc', 'nsd'), quartiles=True),
]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
