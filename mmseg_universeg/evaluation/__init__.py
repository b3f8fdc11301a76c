from .metrics import BoxMetric, CaseMetric, NiftiPredictions

__all__ = ['BoxMetric', 'CaseMetric', 'NiftiPredictions']
