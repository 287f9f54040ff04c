from __future__ import annotations

import logging

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
hd = pytest.importorskip("highdicom")

from bundle.data.dicom import Algorithm, read_series, write_segmentation  # noqa: E402
from tests.dicom_files import LPS, oblique_affine, write_series  # noqa: E402

SHAPE = (9, 8, 12)
ALGORITHM = Algorithm("a_model", "1.2.3", "ab" * 32, {"score": "attribution", "threshold": "0.25", "rule": "x" * 40})


@pytest.fixture
def series(tmp_path):
    volume = np.random.default_rng(1).integers(1, 4000, SHAPE)
    write_series(tmp_path / "series", volume, oblique_affine())
    return read_series(tmp_path / "series")


@pytest.fixture
def mask():
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 1:4, 3:6] = 1
    mask[7, 6, 9] = 1
    return mask


def test_lies_on_the_voxels_of_the_series(tmp_path, series, mask):
    write_segmentation(mask, series.files, tmp_path / "seg.dcm", ALGORITHM)
    seg = hd.seg.segread(tmp_path / "seg.dcm")
    used = [3, 4, 5, 9]
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in series.files]
    uids = [headers[index].SOPInstanceUID for index in used]
    frames = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(frames, mask.T[used])
    assert seg.NumberOfFrames == len(used)
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        index = uids.index(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)
        np.testing.assert_array_equal(pixels, mask.T[used[index]])
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, headers[used[index]].ImagePositionPatient)
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == series.uid
    found = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert found == {header.SOPInstanceUID for header in headers}
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert seg[name].value == headers[0][name].value


def test_geometry_without_the_series(tmp_path, series, mask):
    write_segmentation(mask, series.files, tmp_path / "seg.dcm", ALGORITHM)
    volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True, allow_missing_positions=True)
    marked = volume.map_indices_to_reference(np.argwhere(volume.array > 0)) @ LPS
    expected = (np.c_[np.argwhere(mask), np.ones(mask.sum())] @ series.affine.T)[:, :3]
    np.testing.assert_allclose(sorted(marked.round(3).tolist()), sorted(expected.round(3).tolist()), atol=2e-3)


def test_says_what_it_is_and_what_made_it(tmp_path, series, mask):
    write_segmentation(mask, series.files, tmp_path / "seg.dcm", ALGORITHM)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    (segment,) = seg.SegmentSequence
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert segment.AnatomicRegionSequence[0].CodeValue == "12738006" and segment.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("a_model", "1.2.3")
    assert (
        algorithm.AlgorithmParameters == f"score=attribution,threshold=0.25,rule={'x' * 40},weights_sha256={'ab' * 32}"
    )
    assert seg.ContentDescription == "Anomaly, score attribution, threshold 0.25"
    assert seg.Modality == "SEG" and seg.SegmentationType == "BINARY" and "not for diagnosis" in seg.SeriesDescription


def test_empty_mask_has_all_frames(tmp_path, series, caplog):
    with caplog.at_level(logging.WARNING):
        write_segmentation(np.zeros(SHAPE, np.uint8), series.files, tmp_path / "seg.dcm", ALGORITHM)
    seg = hd.seg.segread(tmp_path / "seg.dcm")
    assert seg.NumberOfFrames == SHAPE[2] and not seg.pixel_array.any() and not caplog.records


def test_mask_of_another_grid(tmp_path, series, mask):
    with pytest.raises(ValueError, match=r"shape of its series \(9, 8, 12\), got \(8, 9, 12\)"):
        write_segmentation(mask.transpose(1, 0, 2), series.files, tmp_path / "seg.dcm", ALGORITHM)
    assert not (tmp_path / "seg.dcm").exists()


def test_series_that_no_seg_can_refer_to(tmp_path, mask):
    def no_study(dataset, index):
        del dataset.StudyInstanceUID

    write_series(tmp_path / "series", mask, oblique_affine(), change=no_study)
    files = read_series(tmp_path / "series").files
    with pytest.raises(ValueError, match=rf"{files[0].name}: no SEG can refer to this series .*StudyInstanceUID"):
        write_segmentation(mask, files, tmp_path / "seg.dcm", ALGORITHM)
    assert not any(path.suffix == ".dcm" for path in tmp_path.iterdir())
