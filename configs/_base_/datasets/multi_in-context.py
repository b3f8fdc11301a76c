# Episodes of four real data sets and of drawn tasks together.
_base_ = ['episodes.py']
image_size = (64, 64)
load_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=image_size, keep_ratio=False),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='InContextDataset',
        datasets=[
            dict(type='ACDCSlicesDataset', split='train', pipeline=load_pipeline),
            dict(type='DSB2018Dataset', split='train', pipeline=load_pipeline),
            dict(type='ISBI2012Dataset', split='train', pipeline=load_pipeline),
            dict(type='DRIVEArchiveDataset', split='train', pipeline=load_pipeline),
            dict(type='SyntheticTasksDataset', image_size=image_size),
        ],
        support_size=(4, 16),
        batch_size=4,
        pipeline=_base_.episode_pipeline,
    ),
)
