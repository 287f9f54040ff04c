"""From weights to files that run elsewhere: TorchScript, exported program, ONNX, and the record of the steps around."""

from __future__ import annotations

from bundle.deployment.exporters import check_exported, export_onnx, export_program, export_torchscript, load_exported
from bundle.deployment.folder import read_config, write_deployment
from bundle.deployment.record import deployment_record

__all__ = [
    "check_exported",
    "deployment_record",
    "export_onnx",
    "export_program",
    "export_torchscript",
    "load_exported",
    "read_config",
    "write_deployment",
]
