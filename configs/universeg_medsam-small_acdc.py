# In context, then refined: UniverSeg segments by 64 supports, and a box around each
# structure it finds prompts a small MedSAM. For testing, with the weights of
# medsam_small_acdc.py: tools/test.py configs/universeg_medsam-small_acdc.py \
#     work_dirs/medsam_small_acdc/iter_2500.pth
# Without the refinement: universeg_acdc.py.
_base_ = ['medsam_small_acdc.py']
model = dict(
    type='InContextBoxPromptSegmentor',
    in_context=dict(
        type='UniverSeg',
        init_cfg=dict(
            type='Pretrained', checkpoint='work_dirs/universeg_multi/iter_4500.pth'
        ),
    ),
    # As loose as the mean of training.
    boxes=dict(shift=5),
)
# The supports are read as UniverSeg is trained, at the size of its published weights.
support_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
]
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='ToThreeChannels'),
    dict(
        type='Resize',
        scale=_base_.image_size,
        keep_ratio=False,
        interpolation='bicubic',
    ),
    dict(type='MinMaxNormalize'),
    # after Resize, so that scores are taken at the original size
    dict(type='LoadLabelMap'),
    dict(
        type='PackSegInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'case_id', 'slice_index'),
    ),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
val_evaluator = [dict(type='CaseMetric')]
test_evaluator = val_evaluator
custom_hooks = [
    dict(
        type='SupportSetHook',
        dataset=dict(
            type='ACDCSlicesDataset', split='train', pipeline=support_pipeline
        ),
        size=64,
    ),
    dict(type='CaseOverlayHook'),
]
