# Nuclei of DSB2018, RGB; dark on light and light on dark become light on dark. Images
# of 256x256 to 1388x1040, so that large ones are drawn more often; tested whole.
crop_size = (128, 128)
load = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='MinMaxNormalize'),
    dict(type='DarkBackground'),
]
geometry = [
    # A file per nucleus takes longer to load than a training step takes.
    dict(type='LoadOnce', transforms=load),
    dict(
        type='RandomAffineWarp',
        prob=0.8,
        degrees=(-45, 45),
        scale=(0.6, 1.6),
        border='reflect',
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomRotFlip', rotate_prob=0, flip_prob=1),
]
train_pipeline = [
    *geometry,
    dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
    dict(type='RandomGamma', prob=0.5, gamma=(0.5, 2)),
    dict(type='RandomGaussianNoise', prob=0.25),
    dict(type='PackSegInputs'),
]
# Images differ in size, so that only one goes into a batch.
test_pipeline = [
    *load,
    dict(type='PackSegInputs', meta_keys=('img_path', 'ori_shape', 'img_shape')),
]
# Flips averaged in testing: tools/test.py ... --tta
tta_model = dict(type='SingleLogitTTAModel')
tta_pipeline = [
    *load,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='vertical'),
            ],
            [
                dict(
                    type='PackSegInputs',
                    meta_keys=(
                        'img_path',
                        'ori_shape',
                        'img_shape',
                        'flip',
                        'flip_direction',
                    ),
                )
            ],
        ],
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='ImageSizeSampler', power=0.75),
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
val_evaluator = [dict(type='CaseMetric')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='CaseOverlayHook')]
