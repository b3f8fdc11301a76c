# Drawn tasks of every kind, with more of what the real tasks of the validation need:
# places that tell organs apart, objects from faint to bright, exposures.
_base_ = ['drawn-tasks.py']
families = dict(anatomy=6.0, nested=3.0, lookalikes=1.0)
changes = dict(intensity=(0.0, 0.6), faint=(0.4, 0.3, 0.9))
acquisition = dict(exposure=(0.6, 0.1, 0.8))
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                _base_.train_dataloader.dataset.datasets[0],
                families=dict(_base_.families, **families),
                changes=dict(_base_.changes, **changes),
                acquisition=dict(_base_.acquisition, **acquisition),
            ),
            _base_.train_dataloader.dataset.datasets[1],
        ],
    )
)
