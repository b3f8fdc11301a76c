# White blood cells in context: Dataset 2, 64 supports, no training.
_base_ = ['universeg_wbc.py']
test_dataloader = dict(dataset=dict(folder='Dataset 2', stray='background'))
val_dataloader = test_dataloader
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **_base_.dataset_2),
        size=64,
    ),
    dict(type='CaseOverlayHook'),
]
