from .case_metric import CaseMetric

__all__ = ['CaseMetric']
