# Nuclei of DSB2018, one box per nucleus, for segmentors that are prompted with boxes.
# Images are stretched to one size, aspect not kept, and scaled to [0, 1] each.
image_size = (512, 512)
load = dict(type='LoadMedicalImage')
label = dict(type='LoadLabelMap', with_instances=True)
scale = [
    dict(type='Resize', scale=image_size, keep_ratio=False, interpolation='bicubic'),
    dict(type='MinMaxNormalize'),
    dict(type='DarkBackground'),
]
train_pipeline = [
    # A file per nucleus takes longer to load than a training step takes.
    dict(type='LoadOnce', transforms=[load, label, *scale]),
    dict(type='RandomAffineWarp', prob=0.8, degrees=(-45, 45), scale=(0.7, 1.6)),
    dict(
        type='RandomFlip',
        prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='RandomGamma', prob=0.5, gamma=(0.5, 2)),
    dict(
        type='BoxPromptsFromMask',
        per='instance',
        # 20 of 1024 pixels, as in the released MedSAM
        max_shift=10,
        max_boxes=8,
        skip_empty=True,
    ),
    dict(type='PackBoxPromptInputs'),
]
# Labels after Resize, so that scores are taken at the original size. Boxes are as loose
# as the mean of training: tight ones alone, filled with ellipses, have a DSC of 0.89.
test_pipeline = [
    load,
    *scale,
    label,
    dict(type='BoxPromptsFromMask', per='instance', shift=5),
    dict(type='PackBoxPromptInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='DSB2018Dataset', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='DSB2018Dataset', split='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='BoxMetric'), dict(type='CaseMetric', metrics=('dsc',))]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
