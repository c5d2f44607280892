"""What a collection tells about people and machines, besides what it is meant to tell."""

from naturalist.auditing.exposure import Exposure, Finding
from naturalist.auditing.locations import audit_published, audit_pulled, audit_workspace
from naturalist.auditing.traces import COMMON_NAMES, Known, known_here

__all__ = [
    "COMMON_NAMES",
    "Exposure",
    "Finding",
    "Known",
    "audit_published",
    "audit_pulled",
    "audit_workspace",
    "known_here",
]
