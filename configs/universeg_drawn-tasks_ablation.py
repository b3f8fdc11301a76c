# What each kind of drawn task helps: a small network, a short training at 64x64, from
# which families, looks, changes or flaws of acquisition are left out, for instance by
# --cfg-options train_dataloader.dataset.families.anatomy=0
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
model = dict(features=(32, 32, 32, 32))
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
