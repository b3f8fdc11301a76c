# Your own images and masks, in context or to train on: put them into data/mine/images
# and data/mine/masks under the same names, and say below what the masks' values mean.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/episodes.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
own_data = dict(
    type='ImageMaskFolderDataset',
    data_root='data/mine',
    classes=('background', 'lesion'),
    label_values={0: 0, 255: 1},
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='InContextDataset',
        datasets=[dict(split='train', pipeline=_base_.load_pipeline, **own_data)],
        support_size=(1, 8),
        batch_size=4,
        pipeline=_base_.episode_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', pipeline=_base_.test_pipeline, **own_data),
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='CaseMetric')]
val_evaluator = test_evaluator
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(split='train', pipeline=_base_.support_pipeline, **own_data),
        size=8,
    ),
    dict(type='CaseOverlayHook'),
]
