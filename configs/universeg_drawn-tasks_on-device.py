# For a GPU: as universeg_drawn-tasks.py, but eight episodes of 32 supports at a time,
# and two loader workers that draw nine label maps of a task; the device deforms those
# of the supports to as many as it needs and makes the images.
_base_ = ['universeg_drawn-tasks.py']
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        batch_size=8,
        support_size=32,
        datasets=[
            dict(drawn, sketch=True, support_maps=8)
            for drawn in _base_.train_dataloader.dataset.datasets
        ],
    ),
)
