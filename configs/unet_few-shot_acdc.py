# A small U-Net on few slices of the heart, which is never flipped.
_base_ = [
    '_base_/models/unet_small.py',
    '_base_/datasets/few-shot.py',
    '_base_/schedules/supervised_600.py',
    '_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=4, out_channels=4))
train_dataloader = dict(
    dataset=dict(
        type='ACDCSlicesDataset', pipeline=[*_base_.warped, *_base_.intensities]
    )
)
test_dataloader = dict(dataset=dict(type='ACDCSlicesDataset'))
val_dataloader = test_dataloader
