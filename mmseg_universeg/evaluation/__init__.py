from .metrics import BoxMetric, CaseMetric

__all__ = ['BoxMetric', 'CaseMetric']
