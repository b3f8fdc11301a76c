# What the demo has to beat: the mean of the support masks, whatever the image.
_base_ = ['universeg_synthetic.py']
model = dict(
    _delete_=True,
    type='MeanSupportMask',
    data_preprocessor=dict(type='EpisodeDataPreprocessor'),
)
custom_hooks = []
