# The weights of this repository, trained on drawn tasks alone, tested in context on
# membranes of ISBI 2012. The train split has 21 sections.
_base_ = ['universeg_wbc.py']
supports = dict(type='ISBI2012Dataset', split='train')
train_dataloader = dict(
    dataset=dict(datasets=[dict(pipeline=_base_.load_pipeline, **supports)])
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ISBI2012Dataset',
        split='test',
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **supports),
        size=21,
    ),
    dict(type='CaseOverlayHook'),
]
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
