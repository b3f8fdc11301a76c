# Augmentation of episodes at two levels, after UniverSeg's training (in-task and task
# augmentation); elastic fields and blurs are in pixels, meant for 64 to 128 of them.
episode_pipeline = [
    dict(
        type='AugmentEach',
        transforms=[
            dict(
                type='RandomAffineWarp',
                prob=0.5,
                degrees=(-25, 25),
                translate=0.1,
                scale=(0.9, 1.1),
                border='reflect',
            ),
            dict(
                type='RandomElastic',
                prob=0.25,
                alpha=(20, 60),
                sigma=(5, 7),
                border='reflect',
            ),
            dict(type='RandomBrightnessContrast', prob=0.5),
            dict(type='RandomSharpness', prob=0.25),
            dict(type='RandomGaussianBlur', prob=0.25),
            dict(type='RandomGaussianNoise', prob=0.25),
        ],
    ),
    dict(
        type='AugmentAlike',
        transforms=[
            dict(
                type='RandomFlip',
                prob=[0.25, 0.25],
                direction=['horizontal', 'vertical'],
            ),
            dict(
                type='RandomAffineWarp',
                prob=0.5,
                degrees=(-180, 180),
                translate=0.2,
                scale=(0.8, 1.2),
                border='reflect',
            ),
            dict(
                type='RandomElastic',
                prob=0.25,
                alpha=(20, 60),
                sigma=(5, 7),
                border='reflect',
            ),
            dict(type='RandomFlipIntensities', prob=0.5),
            dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
            dict(type='RandomGamma', prob=0.5),
            dict(type='RandomSharpness', prob=0.25),
            dict(type='RandomGaussianBlur', prob=0.25),
            dict(type='RandomGaussianNoise', prob=0.25),
            dict(type='RandomEdgeLabels', prob=0.05),
            dict(type='RandomFlipLabels', prob=0.25),
        ],
    ),
    dict(type='PackEpisodeInputs'),
]
