# White blood cells. Training episodes are drawn from the train splits of both folders.
# Tested is Dataset 1 in context, with supports of its train split.
_base_ = ['episodes.py']
dataset_1 = dict(type='WBCDataset', folder='Dataset 1', split='train')
# Five masks of Dataset 2 hold a few stray values.
dataset_2 = dict(
    type='WBCDataset', folder='Dataset 2', split='train', stray='background'
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='InContextDataset',
        datasets=[
            dict(pipeline=_base_.load_pipeline, **dataset_1),
            dict(pipeline=_base_.load_pipeline, **dataset_2),
        ],
        support_size=(2, 8),
        batch_size=4,
        pipeline=_base_.episode_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='WBCDataset',
        folder='Dataset 1',
        split='test',
        pipeline=_base_.test_pipeline,
    ),
)
val_dataloader = test_dataloader
test_evaluator = [
    dict(type='CaseMetric'),
    dict(type='IoUMetric', iou_metrics=['mDice']),
]
val_evaluator = test_evaluator
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **dataset_1),
        size=64,
    ),
    dict(type='CaseOverlayHook'),
]
