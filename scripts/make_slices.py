"""Make a 2D data set of axial slices from volumes with lesion masks, or from an archive of slices.

The source is a datalist, such as the one of make_cohort, or an .npz archive with the keys image and mask (N, rows,
columns), patient (N,) and rel_z (N,). Slices without lesion are healthy, slices with more than a small share of lesion
are pathological, and those in between are left out. Writes images/, masks/ and datalist.json, in which all slices of a
patient stand in one section. With --trained_on also transfer.json: training and validation of other slices, and
the test of these. A run that was stopped is resumed by the same command. At the end the average precision of
plain intensity thresholding on the test slices is printed: the number that a method has to beat.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from bundle.conventions import LABEL, PATIENT, TEST, TRAINING, VALIDATION
from bundle.data.slice_sources import open_slices
from bundle.data.slice_writer import write_slices
from bundle.data.slices import SlicePlan, SliceSet, choose_slices
from bundle.data.transfer import TRANSFER, transfer_datalist
from bundle.data.writer import write_json
from bundle.metrics.intensity_baseline import intensity_baseline


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_slices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="datalist (.json) or archive of slices (.npz)")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the slices")
    parser.add_argument("--condition", nargs="+", default=[], help="conditions to take from a datalist, default: all")
    parser.add_argument(
        "--rel_z",
        type=float,
        nargs=2,
        default=(0.32, 0.86),
        metavar=("LOW", "HIGH"),
        help="relative heights between which slices are taken, 0 the bottom and 1 the top of the head or brain; "
        "slices near both ends give the class away; default: 0.32 0.86",
    )
    parser.add_argument(
        "--min_share",
        type=float,
        default=1.0e-3,
        help="a slice is pathological when its lesion has more than this share of all voxels of the slice in the "
        "source, background included; default: %(default)s",
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th slice, default: %(default)s")
    parser.add_argument(
        "--background",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="set voxels of at most this share of their slice's highest value to zero: air of images whose background "
        "is not zero, default: %(default)s",
    )
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("X", "Y"), help="pad or crop to these voxels, default: the largest slice"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split, default: %(default)s")
    parser.add_argument(
        "--fractions",
        type=float,
        nargs=3,
        metavar=("TRAINING", "VALIDATION", "TEST"),
        help="shares of the patients; default: the sections of the datalist, 0.7 0.1 0.2 for an archive",
    )
    parser.add_argument(
        "--trained_on",
        type=Path,
        metavar="DATALIST",
        help="other slices: transfer.json has their training and validation, and the test of these",
    )
    return parser


def _write_transfer(trained: Path, output_dir: Path) -> None:
    """Write the datalist of a test of these slices after training on others."""
    made = transfer_datalist(trained, output_dir / "datalist.json", output_dir)
    about = f"training and validation of {trained.parent.name}, test of {output_dir.name}; made by scripts.make_slices"
    write_json(output_dir / TRANSFER, {"name": "FLAIR slices", "description": about, **made})


def _plan(args: argparse.Namespace) -> SlicePlan:
    """Collect the options that decide which slices are taken."""
    return SlicePlan(
        rel_z=tuple(args.rel_z),
        min_share=args.min_share,
        every=args.every,
        background=args.background,
        size=tuple(args.size) if args.size else None,
        seed=args.seed,
        fractions=dict(zip((TRAINING, VALIDATION, TEST), args.fractions, strict=True)) if args.fractions else None,
    )


def _print_counts(slices: SliceSet) -> None:
    """Print the slices of each class and the patients of every section."""
    for name, entries in slices.sections.items():
        pathological = sum(entry[LABEL] for entry in entries)
        patients = len({entry[PATIENT] for entry in entries})
        print(f"{name}: {len(entries) - pathological} healthy, {pathological} pathological slices, {patients} patients")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the slices."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        plan = _plan(args)
        source = open_slices(args.source, args.condition)
        slices = choose_slices(tqdm(source, desc="choosing", unit="image"), plan, args.source)
        written = write_slices(args.output_dir, slices, source, plan)
        for _ in tqdm(written, desc="writing", total=len(slices), unit="slice"):
            pass
        _print_counts(slices)
        if args.trained_on is not None:
            _write_transfer(args.trained_on, args.output_dir)
        datalist = args.output_dir / "datalist.json"
        if slices.sections[TEST]:
            for name, value in intensity_baseline(datalist).items():
                print(f"intensity threshold, test slices, {name}: average precision {value:.3f}")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(f"{datalist}: slices of {slices.shape[0]} x {slices.shape[1]} voxels")


if __name__ == "__main__":
    main()
