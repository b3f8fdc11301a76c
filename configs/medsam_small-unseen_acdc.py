# Trained on the right ventricle and the myocardium, tested on the left ventricle.
_base_ = ['medsam_small_acdc.py']
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(_base_.train_pipeline[-2], classes=(1, 2)),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    *_base_.test_pipeline[:-2],
    dict(_base_.test_pipeline[-2], classes=(3,)),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# Other structures get no box, which CaseMetric would count as missed.
val_evaluator = [dict(type='BoxMetric')]
test_evaluator = val_evaluator
