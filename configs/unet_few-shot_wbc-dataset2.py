# A small U-Net on few white blood cells of Dataset 2.
_base_ = [
    '_base_/models/unet_small.py',
    '_base_/datasets/few-shot.py',
    '_base_/schedules/supervised_600.py',
    '_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=3, out_channels=3))
train_dataloader = dict(
    dataset=dict(type='WBCDataset', folder='Dataset 2', stray='background')
)
test_dataloader = dict(
    dataset=dict(type='WBCDataset', folder='Dataset 2', stray='background')
)
val_dataloader = test_dataloader
