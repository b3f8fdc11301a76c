from .box_metric import BoxMetric
from .case_metric import CaseMetric

__all__ = ['BoxMetric', 'CaseMetric']
