from .metrics import CaseMetric

__all__ = ['CaseMetric']
