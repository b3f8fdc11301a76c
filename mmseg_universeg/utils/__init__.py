from .seeding import SupportSize, seeded

__all__ = ['SupportSize', 'seeded']
