"""Make the data of the shortcut experiment: the same subjects, with scanners tied to their class more or less.

For every tie a folder of output_dir (tie_0, tie_05, ...) holds cohort/, the volumes; slices/, axial slices of them;
datalist.json, whose training, validation and test slices all have the tie; and broken.json, the same but for the test
slices, which are those of tie_0: the same persons, whose scanner a coin chose. Slices without lesion of patients are
left out, because their scanner is the patient's. A run that was stopped is resumed by the same command.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from bundle.conventions import LABEL
from bundle.data.phantom.cohort import CohortPlan, write_cohort
from bundle.data.shortcut import TIED, shortcut_datalists, tie_name
from bundle.data.slice_sources import open_slices
from bundle.data.slice_writer import write_slices
from bundle.data.slices import SlicePlan, choose_slices
from bundle.data.writer import write_json


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_shortcut",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of all ties")
    parser.add_argument("--healthy", type=int, default=200, help="number of healthy subjects, default: %(default)s")
    parser.add_argument("--tumour", type=int, default=200, help="number with a tumour, default: %(default)s")
    parser.add_argument(
        "--ties",
        type=float,
        nargs="+",
        default=[0.0, 0.5, 0.9, 1.0],
        metavar="STRENGTH",
        help="probabilities with which the scanner of a subject is given by its class and not by a coin; 0, where the "
        "tie is broken, is always made; default: 0 0.5 0.9 1",
    )
    parser.add_argument(
        "--signature_gain",
        type=float,
        default=0.1,
        help="amplitude of the stripes that scanner 1 leaves, relative to the image; with the 0.02 of make_cohort no "
        "training took the shortcut; default: %(default)s",
    )
    parser.add_argument("--every", type=int, default=6, help="take every n-th slice, default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="seed of the subjects, default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes, default: %(default)s")
    return parser


def _make_slices(folder: Path, cohort: CohortPlan, slices: SlicePlan, workers: int) -> None:
    """Write the volumes of one tie and their slices."""
    volumes = write_cohort(folder / "cohort", cohort, workers)
    for _ in tqdm(volumes, desc=f"{folder.name}, volumes", total=len(cohort.subjects()), unit="subject"):
        pass
    datalist = folder / "cohort" / "datalist.json"
    source = open_slices(datalist)
    chosen = choose_slices(tqdm(source, desc=f"{folder.name}, choosing", unit="image"), slices, datalist)
    written = write_slices(folder / "slices", chosen, source, slices)
    for _ in tqdm(written, desc=f"{folder.name}, slices", total=len(chosen), unit="slice"):
        pass


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and make the data."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        slices = SlicePlan(every=args.every)
        folders = {
            args.output_dir / tie_name(tie): CohortPlan(
                {"healthy": args.healthy, "tumour": args.tumour},
                seed=args.seed,
                scanner_signature=tie,
                signature_gain=args.signature_gain,
            )
            for tie in dict.fromkeys([0.0, *args.ties])
        }
        for folder, cohort in folders.items():
            _make_slices(folder, cohort, slices, args.workers)
        broken = args.output_dir / tie_name(0.0) / "slices" / "datalist.json"
        for folder in folders:
            tied = folder / "slices" / "datalist.json"
            made = shortcut_datalists(folder / "cohort" / "datalist.json", tied, broken, folder)
            for name, content in made.items():
                write_json(folder / name, content)
            for section, entries in made[TIED].items():
                print(f"{folder.name}, {section}: {len(entries)} slices, {sum(e[LABEL] for e in entries)} pathological")
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
