from .metrics import BoxMetric, CaseMetric, NiftiPredictions, UWMadisonMetric

__all__ = ['BoxMetric', 'CaseMetric', 'NiftiPredictions', 'UWMadisonMetric']
