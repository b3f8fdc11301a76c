# UniverSeg from scratch on white blood cells, tested with 16 supports: what its
# variants are compared with.
_base_ = ['universeg_wbc.py']
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(pipeline=_base_.support_pipeline, **_base_.dataset_1),
        size=16,
    ),
    dict(type='CaseOverlayHook'),
]
