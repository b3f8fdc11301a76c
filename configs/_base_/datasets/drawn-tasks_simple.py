# Drawn tasks alone to train on. Choices are made on episodes of real tasks: the train
# splits of ACDC, DSB2018, ISBI 2012 and DRIVE. White blood cells are kept out.
_base_ = ['episodes.py']
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='SyntheticTasksDataset',
        image_size=_base_.image_size,
        support_size=(1, 16),
        length=1_000_000,
        batch_size=4,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='InContextDataset',
        datasets=[
            dict(
                type='ACDCSlicesDataset', split='train', pipeline=_base_.load_pipeline
            ),
            dict(type='DSB2018Dataset', split='train', pipeline=_base_.load_pipeline),
            dict(type='ISBI2012Dataset', split='train', pipeline=_base_.load_pipeline),
            dict(
                type='DRIVEArchiveDataset', split='train', pipeline=_base_.load_pipeline
            ),
        ],
        support_size=16,
        seed=1,
        length=128,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
test_evaluator = val_evaluator
