# What the weights that ship are trained on: drawn tasks of every family, every look and
# every flaw of acquisition. Ranges are (lowest, highest) or (chance, lowest, highest);
# mmseg_universeg/datasets/drawing/options.py says what each means.
_base_ = ['drawn-tasks_simple.py']
families = dict(
    # smooth random fields, Voronoi cells
    regions=0.7,
    cells=0.5,
    # organs: single, as rings, one within the other, a whole body of them
    blobs=1.0,
    ringed=1.0,
    nested=2.0,
    anatomy=4.0,
    # a single small lesion, layered tissue
    lesion=1.0,
    layers=0.7,
    # many objects: of several kinds, of one look and two shapes, touching
    instances=1.2,
    lookalikes=0.5,
    packed=1.5,
    # thin structures
    membranes=1.2,
    vessels=0.6,
    fine_vessels=1.2,
)
appearance = dict(
    contrast=(0.06, 0.35),
    texture=(0.0, 0.15),
    gradient=0.08,
    boundary=(0.25, 0.1, 0.5),
    blur=(0.3, 2.0),
    noise=(0.003, 0.12),
    bias=(0.5, 0.0, 0.5),
    gamma=(0.5, 2.0),
    inverted=0.5,
    by_texture=0.12,
    by_place=0.23,
)
changes = dict(
    any_way=0.4,
    rotation=(0.0, 0.5),
    scale=(0.02, 0.2),
    stretch=(0.0, 0.15),
    shift=(0.01, 0.1),
    elastic=(0.03, 0.18),
    elastic_cells=(2.0, 6.0),
    intensity=(0.0, 0.4),
    missing=(0.2, 0.1, 0.5),
    repeated=(0.2, 0.1, 0.5),
    distractors=(0.2, 1, 8),
)
acquisition = dict(
    negative=(0.15, 0.1, 0.5),
    exposure=(0.5, 0.1, 0.5),
    vignetting=(0.15, 0.2, 0.8),
    partial_volume=(0.15, 0.5, 3.0),
    low_resolution=(0.15, 1.2, 3.0),
    rician=(0.1, 0.02, 0.15),
    speckle=(0.1, 0.05, 0.4),
    compression=(0.1, 10, 60),
    black_borders=(0.15, 0.02, 0.2),
)
# Three tasks of every kind to one simple task.
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='InContextDataset',
        datasets=[
            dict(
                type='SyntheticTasksDataset',
                image_size=_base_.image_size,
                families=families,
                appearance=appearance,
                changes=changes,
                acquisition=acquisition,
            ),
            dict(type='SyntheticTasksDataset', image_size=_base_.image_size),
        ],
        weights=[3, 1],
        support_size=(1, 64),
        length=1_000_000,
        batch_size=4,
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
