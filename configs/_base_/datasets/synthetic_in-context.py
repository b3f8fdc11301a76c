# Drawn tasks alone, varied enough without augmentation: endless for training, a fixed
# list of others for validation.
_base_ = ['episodes.py']
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='SyntheticTasksDataset',
        image_size=_base_.image_size,
        support_size=8,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SyntheticTasksDataset',
        image_size=_base_.image_size,
        support_size=8,
        seed=1,
        length=64,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
test_evaluator = val_evaluator
