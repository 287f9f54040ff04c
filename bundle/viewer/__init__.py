"""What a viewer's server, such as MONAI Label, needs beside a plain run: checked requests, options, result parameters.

MONAI Label drives the workflow of configs/inference.yaml without its handlers: preprocessing, inferer, postprocessing.
The transforms here act on its requests alone and let the items of a plain run pass.
"""

from __future__ import annotations

from bundle.viewer.explanation import METHODS, ExplanationInferer, TakeExplanationd
from bundle.viewer.request import PrepareRequestd
from bundle.viewer.response import OUTPUTS, AnswerRequestd, RequestToNatived

__all__ = [
    "METHODS",
    "OUTPUTS",
    "AnswerRequestd",
    "ExplanationInferer",
    "PrepareRequestd",
    "RequestToNatived",
    "TakeExplanationd",
]
