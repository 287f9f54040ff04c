"""Pack the bundle into the file that the Model Zoo and the Hugging Face Hub take: the same bytes for the same tree."""

from __future__ import annotations

import zipfile
from pathlib import Path

from bundle.anomaly import load_thresholds
from bundle.data.files import written_whole
from bundle.deployment.contents import (
    HUB_CARD,
    LARGE_FILES,
    THRESHOLDS,
    WEIGHTS,
    bundle_files,
    bundle_name,
    hub_card,
)
from bundle.deployment.folder import read_config
from bundle.deployment.large_files import large_files_text
from bundle.preflight import check_output_dir, check_weights

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format has; times of files differ between two checkouts
_UNIX = 3
_MODE = 0o100644 << 16


def write_package(root: Path, output_dir: Path, weights_url: str | None = None) -> Path:
    """Write ``<name>_v<version>.zip``, which holds the bundle as a folder called ``<name>``.

    Args:
        root: root folder of the bundle.
        output_dir: folder of the archive, made when it does not exist.
        weights_url: where the weights can be downloaded; they are then left out and listed in large_files.yml, as a
            pull request to the Model Zoo wants it. ``None`` packs them.

    Returns:
        The archive.

    Raises:
        FileNotFoundError: When weights, thresholds or metadata are missing.
        ValueError: When a file does not belong into a bundle, weights and thresholds do not fit each other or the
            network, or the output folder cannot be written.
    """
    name, version = bundle_name(root)
    weights = root / WEIGHTS
    check_weights(weights, read_config(root / "configs" / "inference.yaml", {}).get_parsed_content("network_def"))
    load_thresholds(root / THRESHOLDS, weights)
    content = {found: path.read_bytes() for found, path in bundle_files(root).items()}
    content[HUB_CARD] = hub_card(root).encode()
    if weights_url is not None:
        content[LARGE_FILES] = large_files_text(WEIGHTS, weights_url, weights).encode()
        del content[WEIGHTS]
    check_output_dir(output_dir)
    archive = output_dir / f"{name}_v{version}{'' if weights_url is None else '_without_weights'}.zip"
    with written_whole(archive) as part, zipfile.ZipFile(part, "w") as file:
        for found in sorted(content):
            entry = zipfile.ZipInfo(f"{name}/{found}", _TIME)
            entry.create_system, entry.external_attr, entry.compress_type = _UNIX, _MODE, zipfile.ZIP_DEFLATED
            file.writestr(entry, content[found], compresslevel=9)
    return archive
