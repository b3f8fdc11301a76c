# Episodes of four real data sets and of drawn tasks together.
_base_ = ['episodes.py']
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
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
            dict(type='SyntheticTasksDataset', image_size=_base_.image_size),
        ],
        weights=[3, 2, 1, 1, 7],
        support_size=(4, 16),
        batch_size=4,
        pipeline=_base_.episode_pipeline,
    ),
)
# Episodes of the test splits (other patients, other images) and of other drawn tasks.
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='InContextDataset',
        datasets=[
            dict(type='ACDCSlicesDataset', split='test', pipeline=_base_.load_pipeline),
            dict(type='DSB2018Dataset', split='test', pipeline=_base_.load_pipeline),
            dict(type='ISBI2012Dataset', split='test', pipeline=_base_.load_pipeline),
            dict(
                type='DRIVEArchiveDataset', split='test', pipeline=_base_.load_pipeline
            ),
            dict(type='SyntheticTasksDataset', image_size=_base_.image_size),
        ],
        support_size=8,
        seed=1,
        length=128,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
test_evaluator = val_evaluator
