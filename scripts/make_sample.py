"""Make one synthetic FLAIR volume and its lesion mask, for trying the inference workflow.

The volume is brain-extracted. Its subject belongs to no cohort that make_cohort makes with another seed, so the shipped
weights have not seen it, and its grid is not the model's, so inference has to resample and put the result back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib

from bundle.data.phantom.subject import CONDITIONS, make_subject


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the sample."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_sample", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output_dir", type=Path, default=Path("output/sample"), help="default: %(default)s")
    parser.add_argument("--condition", choices=CONDITIONS, default="tumour", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=2023, help="default: %(default)s")
    parser.add_argument("--spacing_mm", type=float, default=1.5, help="spacing of the voxels, default: %(default)s")
    args = parser.parse_args(arguments)

    subject = make_subject(args.seed, 0, args.condition, spacing_mm=args.spacing_mm)
    name = f"sample_{args.condition}"
    for folder, suffix, array in (("images", "flair", subject.image), ("masks", "lesion", subject.mask)):
        path = args.output_dir / folder / f"{name}_{suffix}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, subject.affine), path)
        print(f"{path}  {'x'.join(map(str, array.shape))} voxels")
    print(f"lesion volume {subject.lesion_volume_ml:.1f} ml")


if __name__ == "__main__":
    main()
