# White blood cells at 128x128, the size of the published weights.
_base_ = ['wbc_in-context.py']
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
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs', meta_keys=('img_path', 'ori_shape', 'img_shape')),
]
dataset_1 = dict(
    type='WBCDataset', folder='Dataset 1', split='train', pipeline=load_pipeline
)
dataset_2 = dict(
    type='WBCDataset',
    folder='Dataset 2',
    split='train',
    stray='background',
    pipeline=load_pipeline,
)
train_dataloader = dict(dataset=dict(datasets=[dataset_1, dataset_2]))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
custom_hooks = [
    dict(type='SupportSetHook', dataset=dataset_1, size=64),
    dict(type='CaseOverlayHook'),
]
