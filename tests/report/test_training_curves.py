from __future__ import annotations

import matplotlib.image
import pytest
from torch.utils.tensorboard import SummaryWriter

from bundle.report.training_curves import PANELS, draw_training_curves, read_training_curves, training_figure


def write_events(folder, suffix: str, start: float, values: dict[str, dict[int, float]]):
    """Write one event file, as a process that ran from ``start`` would."""
    with SummaryWriter(str(folder), filename_suffix=suffix) as writer:
        for tag, points in values.items():
            for step, value in points.items():
                writer.add_scalar(tag, value, step, walltime=start + step)


def test_resumed_run_is_one_curve_and_the_later_value_counts(tmp_path):
    write_events(tmp_path, ".b", 0.0, {"loss": {1: 0.5, 2: 0.25, 3: 8.0}, "val_accuracy": {2: 0.5}})
    write_events(tmp_path, ".a", 100.0, {"loss": {3: 0.125, 4: 0.0625}})  # listed first, written later
    write_events(tmp_path, ".c", 100.0, {"val_accuracy": {4: 1.0}})
    assert read_training_curves(tmp_path) == {
        "loss": ([1, 2, 3, 4], [0.5, 0.25, 0.125, 0.0625]),
        "val_accuracy": ([2, 4], [0.5, 1.0]),
    }


def test_long_run_is_read_in_full(tmp_path):
    values = {step: float(step) for step in range(1, 12001)}  # TensorBoard keeps 10000 unless told
    write_events(tmp_path, "", 0.0, {"loss": values})
    assert read_training_curves(tmp_path)["loss"] == (list(values), list(values.values()))


def test_one_panel_a_quantity_and_one_line_a_run():
    runs = {
        "ours": {tag: ([2, 4], [0.5, 1.0]) for tag in PANELS},
        "no constraint": {"val_accuracy": ([2], [0.75]), "other": ([1], [0.0])},
    }
    figure = training_figure(runs)
    assert [axis.get_title() for axis in figure.axes] == [title for title, _ in PANELS.values()]
    for axis, tag in zip(figure.axes, PANELS, strict=True):
        for line, curves in zip(axis.lines, runs.values(), strict=True):
            assert (list(line.get_xdata()), list(line.get_ydata())) == curves.get(tag, ([], []))
    assert [text.get_text() for text in figure.legends[0].texts] == list(runs)


@pytest.mark.parametrize("count", [2, 28])
def test_lines_can_be_told_apart(count):
    figure = training_figure({str(number): {"val_accuracy": ([1, 2], [0.0, 1.0])} for number in range(count)})
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == count


@pytest.mark.parametrize("count", [0, 29])
def test_number_of_runs(count):
    with pytest.raises(ValueError, match=rf"1 to 28 runs, got {count}\."):
        training_figure({str(number): {} for number in range(count)})


def test_picture(tmp_path):
    write_events(tmp_path / "run", "", 0.0, {"val_accuracy": {1: 0.5, 2: 1.0}})
    picture = draw_training_curves({"run": tmp_path / "run"}, tmp_path / "new" / "curves.png")
    pixels = matplotlib.image.imread(picture)[..., :3]
    blue = (abs(pixels - [0.0, 0x72 / 255, 0xB2 / 255]) < 0.01).all(axis=-1)
    height, width = blue.shape
    assert (height, width) == (704, 1100)
    assert blue[: height // 2, : width // 2].any() and not blue[: height // 2, width // 2 :].any()


def test_folder_without_events(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold TensorBoard events, got none"):
        read_training_curves(tmp_path)
