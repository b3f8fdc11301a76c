# Six iterations of a tiny network on drawn tasks, as another project inherits it.
_base_ = ['mmseg_universeg::universeg_synthetic.py']
model = dict(features=(4, 4))
size = (16, 16)
train_dataloader = dict(
    dataset=dict(image_size=size, support_size=(1, 3), batch_size=4)
)
val_dataloader = dict(
    batch_size=1, dataset=dict(image_size=size, support_size=2, length=6)
)
test_dataloader = val_dataloader
custom_hooks = []
# Float32, and not Adam, which makes a step of the rounding of a tiny gradient: what
# two processes compute can be compared with what one does.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9),
)
train_cfg = dict(max_iters=6, val_interval=6)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=2, max_keep_ckpts=-1)
)
