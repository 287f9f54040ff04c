from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bundle.anomaly import map_key
from bundle.handlers import SaveMapsHandler, load_maps


def save(handler, items):
    handler.started(None)
    for item in items:
        handler(SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{}])))


def test_maps_lesion_and_brain_of_every_subject(items, tmp_path):
    items[0]["patient"] = "p"
    save(SaveMapsHandler(tmp_path / "maps"), items)
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["a.npz", "b.npz", "c.npz", "d.npz"]
    maps = load_maps(tmp_path / "maps" / "a.npz", ["attribution", "intensity"])
    assert (maps.subject, maps.patient, maps.condition, maps.label, maps.annotated) == ("a", "p", "ms", 1, True)
    assert maps.brain.shape == (1, 2, 2, 2) and maps.brain.sum() == 7 and not maps.brain[0, 1, 1, 1]
    for name in ("attribution", "intensity"):
        expected = items[0][map_key(name)].numpy()[maps.brain]
        np.testing.assert_array_equal(maps.scores[name], expected)
        assert maps.scores[name].dtype == np.float32
    assert maps.lesion.tolist() == [True, True, False, False, False, False, False] and maps.outside_lesion == 1


def test_healthy_and_unannotated_subjects_have_no_lesion(items, tmp_path):
    save(SaveMapsHandler(tmp_path), items)
    for name, label in (("c", 1), ("d", 0)):
        maps = load_maps(tmp_path / f"{name}.npz", [])
        assert (maps.label, maps.annotated, maps.patient) == (label, False, name) and not maps.lesion.any()
        assert maps.scores == {}


def test_subject_that_comes_twice(items, tmp_path):
    with pytest.raises(ValueError, match="once, got 'a' twice"):
        save(SaveMapsHandler(tmp_path), [items[0], items[0]])


def test_score_that_was_not_kept(items, tmp_path):
    save(SaveMapsHandler(tmp_path, ["intensity"]), items[:1])
    with pytest.raises(ValueError, match=r"a\.npz: .*'attribution' is not in it"):
        load_maps(tmp_path / "a.npz", ["attribution"])


def test_failed_write_leaves_nothing(items, tmp_path, monkeypatch):
    def full(file, **content):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="disk full"):
        save(SaveMapsHandler(tmp_path), items)
    assert list(tmp_path.iterdir()) == []
