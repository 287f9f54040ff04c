"""Does a decision rest on what was called anomalous? Fill it with healthy-looking tissue and see the logit fall."""

from __future__ import annotations

from bundle.audit.controls import MARGIN, control_regions, free_tissue
from bundle.audit.falls import ALL, SubjectFalls, summarise_falls
from bundle.audit.filling import fill_region

__all__ = ["ALL", "MARGIN", "SubjectFalls", "control_regions", "fill_region", "free_tissue", "summarise_falls"]
