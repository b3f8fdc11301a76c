# The heart in ACDC, one box per structure and slice, for segmentors that are prompted
# with boxes. Images are stretched to one size, aspect not kept, scaled to [0, 1] each.
# To train on some structures and test on others, give BoxPromptsFromMask the indices of
# classes (1 right ventricle, 2 myocardium, 3 left ventricle) in both pipelines; it is
# the last but one.
image_size = (512, 512)
train_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToThreeChannels'),
    dict(type='Resize', scale=image_size, keep_ratio=False, interpolation='bicubic'),
    dict(type='MinMaxNormalize'),
    dict(
        type='RandomAffineWarp',
        prob=0.8,
        degrees=(-30, 30),
        scale=(0.8, 1.2),
        seg_fill=255,
    ),
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='RandomGamma', prob=0.5),
    dict(
        type='BoxPromptsFromMask',
        # 20 of 1024 pixels, as in the released MedSAM
        max_shift=10,
        skip_empty=True,
    ),
    dict(type='PackBoxPromptInputs'),
]
# Labels after Resize, so that scores are taken at the original size. Boxes are as loose
# as the mean of training.
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='ToThreeChannels'),
    dict(type='Resize', scale=image_size, keep_ratio=False, interpolation='bicubic'),
    dict(type='MinMaxNormalize'),
    dict(type='LoadLabelMap'),
    dict(type='BoxPromptsFromMask', shift=5),
    dict(type='PackBoxPromptInputs'),
]
train_dataloader = dict(
    batch_size=2,
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
val_evaluator = [dict(type='BoxMetric'), dict(type='CaseMetric', metrics=('dsc',))]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
