# The weights of this repository, trained on drawn tasks alone, tested in context on
# vessels of DRIVE, scored inside of the field of view only. There are 20 images to
# learn from.
_base_ = ['universeg_wbc.py']
supports = dict(type='DRIVEArchiveDataset', split='train')
train_dataloader = dict(
    dataset=dict(datasets=[dict(pipeline=_base_.load_pipeline, **supports)])
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DRIVEArchiveDataset',
        split='test',
        field_of_view='ignore',
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **supports),
        size=20,
    ),
    dict(type='CaseOverlayHook'),
]
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
