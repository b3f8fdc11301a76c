# A small U-Net on few white blood cells of Dataset 1.
_base_ = [
    '_base_/models/unet_small.py',
    '_base_/datasets/few-shot.py',
    '_base_/schedules/supervised_600.py',
    '_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=3, out_channels=3))
train_dataloader = dict(dataset=dict(type='WBCDataset', folder='Dataset 1'))
test_dataloader = dict(dataset=dict(type='WBCDataset', folder='Dataset 1'))
val_dataloader = test_dataloader
