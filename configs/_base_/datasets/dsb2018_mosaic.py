# Nuclei of DSB2018; in training every other image is a mosaic of four. All images are
# at least as large as the crop.
crop_size = (256, 256)
load_pipeline = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='MultiImageMixDataset',
        dataset=dict(type='DSB2018Dataset', split='train', pipeline=load_pipeline),
        pipeline=[
            dict(type='BioMedicalRandomMosaic', prob=0.5, img_scale=crop_size),
            dict(type='RandomCrop', crop_size=crop_size),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    ),
)
# Images differ in size, so that only one goes into a batch.
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='DSB2018Dataset',
        split='test',
        pipeline=[*load_pipeline, dict(type='PackSegInputs')],
    ),
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
val_evaluator = test_evaluator
