from .metrics import BoxMetric, CaseMetric, UWMadisonMetric

__all__ = ['BoxMetric', 'CaseMetric', 'UWMadisonMetric']
