# Nuclei of DSB2018 in context: the test split, 64 supports of the train split.
_base_ = ['universeg_wbc.py']
supports = dict(type='DSB2018Dataset', split='train')
train_dataloader = dict(
    dataset=dict(datasets=[dict(pipeline=_base_.load_pipeline, **supports)])
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DSB2018Dataset',
        split='test',
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **supports),
        size=64,
    ),
    dict(type='CaseOverlayHook'),
]
