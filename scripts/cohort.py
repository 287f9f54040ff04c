r"""Build, check and describe datalists of real data sets.

build reads data sets in the layout that they are published in and writes one datalist; several are combined with a
plus sign, for example healthy persons of one and patients of another:

  python -m scripts.cohort build kirby21 path/to/kirby21 --sizes 22 5 5 \
      + brats path/to/MICCAI_BraTS2020_TrainingData --sizes 280 40 49 --output lists/datalist.json

validate reads every file of a datalist and prints all that is wrong; describe counts images, persons and grids.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bundle.conventions import TEST, TRAINING, VALIDATION
from bundle.data.cohorts import (
    FRACTIONS,
    KINDS,
    MASK_LABELS,
    READERS,
    Scan,
    describe_datalist,
    first_of_each_patient,
    read_cohort,
    size_rows,
    split_by_fractions,
    split_by_sizes,
    summarise,
    validate_cohort,
    write_datalist,
)
from bundle.data.records import SECTIONS
from bundle.data.writer import write_json
from bundle.preflight import exit_with
from bundle.report.tables import markdown_table


def _pair(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


_SUMMARY = {name: name for name in ("dataset", "condition", *SECTIONS, "masks")}
_SIZES = {name: name for name in ("images", "size", "affines", "first")}
_FORMAT: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
_PAIRS: dict[str, Any] = {"nargs": "+", "type": _pair, "metavar": "NAME=VALUE"}
# Options of readers; each reader has those that its function takes.
_OPTIONS: dict[str, dict[str, Any]] = {
    "condition": {"help": "condition of all persons, such as healthy or ms"},
    "condition_column": {"help": "column of participants.tsv with the condition"},
    "conditions": {
        **_PAIRS,
        "help": "conditions by value of that column or name of the folder, such as control=healthy",
    },
    "columns": {**_PAIRS, "help": "names of columns where they are not the usual ones, such as image=path_flair"},
    "site_column": {"help": "column of participants.tsv with the site"},
    "entities": {**_PAIRS, "help": "take only images with these BIDS entities, such as acq=lowres ses=01"},
    "demographics": {"type": Path, "help": "table of scans and persons, default: the one in the source"},
    "scan_column": {"help": "its column with the scan, default: scan"},
    "subject_column": {"help": "its column with the person, default: subject"},
    "variant": {"help": "raw or preprocessed images, default: raw"},
    "image_root": {"type": Path, "help": "folder that paths start from, default: the table's"},
    "image_suffix": {"help": "how image names end, default: _flair"},
    "mask_suffix": {"nargs": "+", "help": "how mask names end, default: _seg _lesion _mask"},
    "patient_pattern": {"help": "regular expression that finds the person in a file's name, such as 'sub-[0-9]+'"},
    "dataset": {"help": "name of the data set, which is put in front of subjects"},
}


def _add_build(commands: Any) -> None:
    """Describe the command build and its readers."""
    build = commands.add_parser("build", help="write a datalist from data sets", description=__doc__, **_FORMAT)
    readers = build.add_subparsers(dest="reader", required=True, metavar="READER")
    for name, reader in READERS.items():
        text = inspect.getdoc(reader) or ""
        parser = readers.add_parser(name, help=text.splitlines()[0], description=text.split("\n\nArgs:")[0], **_FORMAT)
        parser.add_argument("source", type=Path, help="folder or file to read")
        for option in [option for option in inspect.signature(reader).parameters if option in _OPTIONS]:
            parser.add_argument(f"--{option}", default=argparse.SUPPRESS, **_OPTIONS[option])
        how = parser.add_mutually_exclusive_group()
        three = tuple(section.upper() for section in SECTIONS)
        how.add_argument(
            "--sizes", type=int, nargs=3, metavar=three, help="images of each section; others are left out"
        )
        how.add_argument("--fractions", type=float, nargs=3, metavar=three, help="shares of the persons, 0.7 0.1 0.2")
        how.add_argument("--section", choices=(TRAINING, VALIDATION, TEST), help="put everything into one section")
        parser.add_argument("--one_per_patient", action="store_true", help="take only the first image of each person")
        parser.add_argument("--pool", action="store_true", help="forget the sections that the data set itself gives")
        parser.add_argument("--seed", type=int, default=0, help="seed of the split, default: %(default)s")
        parser.add_argument("--output", type=Path, help="datalist to write; give it once")


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.cohort", description=__doc__, **_FORMAT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{build,validate,describe}")
    _add_build(commands)
    kinds = "\n".join(f"  {kind}: {text}" for kind, text in KINDS.items())
    validate = commands.add_parser(
        "validate",
        help="print all problems of a datalist",
        description="Read every image and mask of a datalist and print all that is wrong. Exit status 1 with problems, "
        f"0 without.\n\nKinds of problems:\n{kinds}",
        **_FORMAT,
    )
    describe = commands.add_parser("describe", help="count images, persons and grids of a datalist", **_FORMAT)
    for command in (validate, describe):
        command.add_argument("datalist", type=Path, help="datalist (.json)")
        command.add_argument("--spatial_dims", type=int, choices=(2, 3), default=3, help="default: %(default)s")
    validate.add_argument("--accept", nargs="+", default=[], metavar="KIND", help="kinds that are no problem here")
    validate.add_argument(
        "--mask_labels", type=int, nargs="+", default=MASK_LABELS, metavar="LABEL", help="default: 0 1 2 4"
    )
    validate.add_argument("--json", type=Path, metavar="REPORT", help="also write everything to this file")
    validate.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="default: %(default)s")
    return parser


def _split(args: argparse.Namespace, scans: Sequence[Scan]) -> dict[str, list[Scan]]:
    """Put the scans of one data set into sections."""
    if args.pool:
        scans = [replace(scan, sections=SECTIONS) for scan in scans]
    if args.one_per_patient:
        scans = first_of_each_patient(scans)
    if args.sizes:
        return split_by_sizes(scans, dict(zip(SECTIONS, args.sizes)), args.seed)
    fractions = dict(zip(SECTIONS, args.fractions)) if args.fractions else FRACTIONS
    if args.section:
        fractions = {name: float(name == args.section) for name in SECTIONS}
    return split_by_fractions(scans, fractions, args.seed)


def _build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Read the data sets and write the datalist."""
    sources = [list(part) for plus, part in groupby(arguments, key=lambda word: word == "+") if not plus]
    parsed = [parser.parse_args(source if source[:1] == ["build"] else ["build", *source]) for source in sources]
    outputs = [args.output for args in parsed if args.output is not None]
    if len(outputs) != 1:
        parser.error(f"build: --output must be given once, got {len(outputs)} of it")
    parts, found = [], 0
    for args in parsed:
        given = {name: value for name, value in vars(args).items() if name in _OPTIONS}
        options = {name: dict(value) if _OPTIONS[name].get("type") is _pair else value for name, value in given.items()}
        scans = read_cohort(args.reader, args.source, **options)
        parts.append(_split(args, scans))
        found += len(scans)
    sections = write_datalist(outputs[0], parts, "made by scripts.cohort " + " ".join(arguments))
    taken = sum(len(part) for part in sections.values())
    print(markdown_table(_SUMMARY, summarise(sections)))
    print(f"{outputs[0]}: {taken} of {found} images")


def _describe(args: argparse.Namespace) -> None:
    """Print what a datalist consists of."""
    summary, sizes = describe_datalist(args.datalist, args.spatial_dims)
    print(markdown_table(_SUMMARY, summary), markdown_table(_SIZES, sizes), sep="\n\n")


def _validate(args: argparse.Namespace) -> None:
    """Print and write all problems of a datalist, and end with exit status 1 when there is any."""
    found = validate_cohort(
        args.datalist,
        accept=args.accept,
        spatial_dims=args.spatial_dims,
        mask_labels=args.mask_labels,
        workers=args.workers,
        progress=True,
    )
    if args.json is not None:
        args.json.absolute().parent.mkdir(parents=True, exist_ok=True)
        write_json(args.json.absolute(), found.report())
    print(markdown_table(_SIZES, size_rows(found.grids())))
    for problem in found.accepted:
        print(f"accepted: {problem.line()}")
    print(f"{args.datalist}: {len(found.inspections)} images, {len(found.problems)} problems")
    exit_with(problem.line() for problem in found.problems)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and do what it says."""
    parser, arguments = _parser(), list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["build"]:
            _build(parser, arguments)
        else:
            args = parser.parse_args(arguments)
            {"describe": _describe, "validate": _validate}[args.command](args)
    except (ValueError, OSError) as error:
        exit_with(str(error).splitlines())


if __name__ == "__main__":
    main()
