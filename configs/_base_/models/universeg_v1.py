# The published network: 4 encoder and 3 decoder blocks of 64 features each.
model = dict(
    type='UniverSeg',
    features=(64, 64, 64, 64),
    nonlinearity='LeakyReLU',
    out_conv=True,
    data_preprocessor=dict(type='EpisodeDataPreprocessor'),
)
