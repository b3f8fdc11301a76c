from .box_metric import BoxMetric
from .case_metric import CaseMetric
from .nifti_predictions import NiftiPredictions
from .uw_madison_metric import UWMadisonMetric

__all__ = ['BoxMetric', 'CaseMetric', 'NiftiPredictions', 'UWMadisonMetric']
