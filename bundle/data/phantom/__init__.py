"""Synthetic FLAIR volumes with exact lesion masks: healthy, tumour, multiple sclerosis."""

from bundle.data.phantom.atlas import Grid, make_grid
from bundle.data.phantom.subject import (
    CONDITIONS,
    PhantomSubject,
    SubjectParameters,
    condition_label,
    draw_subject,
    make_subject,
    render_subject,
    subject_scanner,
)

__all__ = [
    "CONDITIONS",
    "Grid",
    "PhantomSubject",
    "SubjectParameters",
    "condition_label",
    "draw_subject",
    "make_grid",
    "make_subject",
    "render_subject",
    "subject_scanner",
]
