from __future__ import annotations

import pytest
from torch.utils.tensorboard import SummaryWriter

from scripts.plot_training import main


@pytest.fixture
def run_dirs(tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        with SummaryWriter(str(folder)) as writer:
            writer.add_scalar("val_accuracy", 0.5, 1)
    return [str(folder) for folder in folders]


def test_picture_is_written(run_dirs, tmp_path, capsys):
    main([*run_dirs, "--output", str(tmp_path / "curves.png"), "--labels", "a", "b"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("labels", "found"),
    [pytest.param(["a"], "2 runs and the labels a;", id="few"), pytest.param(["a", "a"], "labels a, a;", id="equal")],
)
def test_labels_must_be_distinct(run_dirs, tmp_path, labels, found, capsys):
    with pytest.raises(SystemExit):
        main([*run_dirs, "--output", str(tmp_path / "curves.png"), "--labels", *labels])
    assert found in capsys.readouterr().err
    assert not (tmp_path / "curves.png").exists()


def test_folder_without_events_is_named_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: .*absent: a run's folder must hold TensorBoard events"):
        main([str(tmp_path / "absent"), "--output", str(tmp_path / "curves.png")])
