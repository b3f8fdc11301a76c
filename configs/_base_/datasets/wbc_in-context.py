# White blood cells in context: trained on the support split of both folders,
# tested on the test split of Dataset 1, supports from its support split.
image_size = (128, 128)
load_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=image_size, keep_ratio=False),
]
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=image_size, keep_ratio=False),
    # after Resize, so that scores are taken at the original size
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='WBCDataset',
        folder='Dataset 1',
        split='test',
        stray='background',
        pipeline=test_pipeline,
    ),
)
val_dataloader = test_dataloader
test_evaluator = [
    dict(type='CaseMetric'),
    dict(type='IoUMetric', iou_metrics=['mDice']),
]
val_evaluator = test_evaluator
