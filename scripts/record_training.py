"""Write the record that ships with trained weights: settings, data, versions and what the evaluation found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from bundle.data.files import write_text_atomically
from bundle.report.training_record import STATEMENT, training_record


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the record."""
    parser = argparse.ArgumentParser(prog="python -m scripts.record_training", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="output folder of configs/train.yaml")
    parser.add_argument("evaluation_dir", type=Path, help="output folder of configs/evaluate.yaml for its model.pt")
    parser.add_argument("--output", type=Path, default=Path("models/training_record.json"), help="default: %(default)s")
    parser.add_argument("--command", help="command line of the training, in quotes")
    parser.add_argument("--statement", default=STATEMENT, help="what a user must know first, default: %(default)s")
    args = parser.parse_args(arguments)
    try:
        record = training_record(args.run_dir, args.evaluation_dir, command=args.command, statement=args.statement)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    write_text_atomically(args.output, json.dumps(record, indent=4, allow_nan=False) + "\n")
    print(args.output)


if __name__ == "__main__":
    main()
