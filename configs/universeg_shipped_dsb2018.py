# The weights of this repository, trained on drawn tasks alone, tested in context on
# nuclei of DSB2018, all images light on dark.
_base_ = ['universeg_dsb2018.py']
model = dict(background='rest')
load_from = 'mmseg_universeg://universeg_drawn-tasks'
dark = dict(type='DarkBackground')
test_dataloader = dict(
    dataset=dict(pipeline=[*_base_.test_pipeline[:3], dark, *_base_.test_pipeline[3:]])
)
val_dataloader = test_dataloader
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(
            pipeline=[*_base_.support_pipeline[:4], dark, *_base_.support_pipeline[4:]],
            **_base_.supports,
        ),
        size=64,
    ),
    dict(type='CaseOverlayHook'),
]
