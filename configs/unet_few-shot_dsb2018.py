# A small U-Net on few images of nuclei.
_base_ = [
    '_base_/models/unet_small.py',
    '_base_/datasets/few-shot.py',
    '_base_/schedules/supervised_600.py',
    '_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=2, out_channels=2))
train_dataloader = dict(dataset=dict(type='DSB2018Dataset'))
test_dataloader = dict(dataset=dict(type='DSB2018Dataset'))
val_dataloader = test_dataloader
