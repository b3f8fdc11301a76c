from .box_metric import BoxMetric
from .case_metric import CaseMetric
from .nifti_predictions import NiftiPredictions

__all__ = ['BoxMetric', 'CaseMetric', 'NiftiPredictions']
