"""Bring FLAIR scans to the model's grid: brain extraction, affine registration to MNI152, N4, resampling.

INPUT is a volume (.nii, .nii.gz, .mha), a folder of volumes, a folder of DICOM series with a folder each, a datalist
.json, whose images may be DICOM folders, or a BIDS data set. Lesion masks come along. Writes images/, masks/,
transforms/, qc/, provenance/ and datalist.json, which train.yaml and inference.yaml read. The same command goes on
where a stopped run was, and does again what failed or whose files or parameters changed. One subject that cannot be
used does not stop the others; the exit status is 1 when one failed.

With --restore FOLDER, masks in MNI space that are named after subjects, <subject>*.nii.gz, are brought back to the
subjects' native grids instead, into output_dir/native/.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from bundle.preprocessing import METHODS, Settings, list_subjects, restore_masks, run, summary
from bundle.report.preprocessing_qc import write_qc_page


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preprocess", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, nargs="?", metavar="INPUT", help="what to preprocess")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the preprocessed data set")
    parser.add_argument(
        "--spacing_mm", type=float, choices=(1.0, 2.0), default=2.0, help="MNI152 grid, default: %(default)s"
    )
    parser.add_argument(
        "--brain_extraction",
        choices=METHODS,
        default=Settings.brain_extraction,
        help="offline: deepbet; hd-bet: HD-BET, 294 MB to install; mask: <subject>_brain beside the image, or the key "
        "brain of a datalist; none: zero outside the brain already; default: %(default)s",
    )
    parser.add_argument("--n4", action="store_true", help="correct the bias field (the paper: of MS data)")
    parser.add_argument(
        "--normalise", action="store_true", help="write intensities normalised as training does it by itself"
    )
    parser.add_argument("--condition", default="", help="condition of all, healthy or a pathology; default: the folder")
    parser.add_argument("--condition_column", default="", help="column of a BIDS participants.tsv with the condition")
    parser.add_argument(
        "--series", help="of DICOM folders with several: SeriesNumber, SeriesInstanceUID or part of SeriesDescription"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes; default: %(default)s")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler instead")
    parser.add_argument("--restore", type=Path, metavar="FOLDER", help="bring masks back to native grids")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and preprocess; return the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if (args.input is None) == (args.restore is None):
        parser.error("give either INPUT or --restore FOLDER")
    logging.getLogger("distributed").setLevel(logging.ERROR)  # what fails is in the records
    try:
        if args.restore is not None:
            for path in restore_masks(args.restore, args.output_dir):
                print(path)
            return 0
        settings = Settings(args.spacing_mm, args.brain_extraction, args.n4, args.normalise, args.series)
        subjects = list_subjects(args.input, args.condition, args.condition_column)
        results = run(subjects, settings, args.output_dir, workers=args.workers, scheduler=args.scheduler)
        records = dict(tqdm(results, total=len(subjects), unit="subject"))
        page = write_qc_page(args.output_dir, [subject.name for subject in subjects])
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(summary(records))
    print(page)
    return int(any(record["status"] == "failed" for record in records.values()))


if __name__ == "__main__":
    sys.exit(main())
