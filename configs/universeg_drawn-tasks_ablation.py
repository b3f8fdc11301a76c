# What each kind of drawn task helps: a small network, a short training at 64x64, from
# which families, looks, changes or flaws of acquisition are left out, for instance by
# --cfg-options train_dataloader.dataset.families.anatomy=0
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks_harder.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
model = dict(features=(32, 32, 32, 32))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=50, end=600, eta_min=0, by_epoch=False),
]
train_cfg = dict(max_iters=600, val_interval=600)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='SyntheticTasksDataset',
        image_size=_base_.image_size,
        support_size=8,
        families=_base_.families,
        appearance=_base_.appearance,
        changes=_base_.changes,
        acquisition=_base_.acquisition,
        pipeline=[dict(type='PackEpisodeInputs')],
    )
)
