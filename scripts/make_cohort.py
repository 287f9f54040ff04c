"""Make a cohort of synthetic FLAIR volumes with exact lesion masks.

Writes images/, masks/ and datalist.json, which splits the subjects into training, validation and test within every
condition. The same arguments make the same files on every machine. A run that was stopped is resumed by the same
command. At the end the average precision of plain intensity thresholding on the test subjects is printed: the number
that a method has to beat.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from bundle.data.phantom.cohort import CohortPlan, write_cohort
from bundle.metrics.intensity_baseline import intensity_baseline
from bundle.report.contact_sheet import draw_contact_sheet


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_cohort", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the cohort")
    parser.add_argument("--healthy", type=int, default=200, help="number of healthy subjects, default: %(default)s")
    parser.add_argument("--tumour", type=int, default=100, help="number with a tumour, default: %(default)s")
    parser.add_argument("--ms", type=int, default=100, help="number with multiple sclerosis, default: %(default)s")
    parser.add_argument(
        "--spacing_mm", type=float, choices=(1.0, 2.0), default=2.0, help="MNI grid, default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes, default: %(default)s")
    parser.add_argument(
        "--scanner_signature",
        type=float,
        default=0.0,
        metavar="STRENGTH",
        help="probability, 0 to 1, with which one of two scanners, which leaves faint stripes, is given to a subject "
        "by its class and not by a coin; for experiments on shortcuts; default: %(default)s",
    )
    parser.add_argument(
        "--signature_gain",
        type=float,
        default=CohortPlan.signature_gain,
        help="amplitude of these stripes relative to the image, 0 to 1; default: %(default)s",
    )
    parser.add_argument("--contact_sheet", type=Path, metavar="PNG", help="also draw some subjects into this picture")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the cohort."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        plan = CohortPlan(
            {"healthy": args.healthy, "tumour": args.tumour, "ms": args.ms},
            spacing_mm=args.spacing_mm,
            seed=args.seed,
            scanner_signature=args.scanner_signature,
            signature_gain=args.signature_gain,
        )
        subjects = write_cohort(args.output_dir, plan, args.workers)
        for _ in tqdm(subjects, total=len(plan.subjects()), unit="subject"):
            pass
        datalist = args.output_dir / "datalist.json"
        for name, value in intensity_baseline(datalist).items():
            print(f"intensity threshold, test subjects, {name}: average precision {value:.3f}")
        if args.contact_sheet is not None:
            print(draw_contact_sheet(datalist, args.contact_sheet))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(datalist)


if __name__ == "__main__":
    main()
