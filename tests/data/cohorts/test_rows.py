from __future__ import annotations

import json

import pytest

from bundle.data.cohorts.rows import read_table


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"id,Centre MRI\nP1,Lyon\n\nP2, n/a \n", id="comma"),
        pytest.param(b"\xef\xbb\xbfid;Centre MRI\r\nP1;Lyon\r\nP2;\r\n", id="excel"),
        pytest.param(b"id\tCentre MRI\nP1\tLyon\nP2\n", id="tab_and_short_row"),
        pytest.param(b'id,"Centre MRI"\nP1,"Lyon"\nP2,NA\n', id="quotes"),
    ],
)
def test_separated_values(tmp_path, content):
    path = tmp_path / "table.txt"
    path.write_bytes(content)
    table = read_table(path)
    assert table.columns == ("id", "Centre MRI")
    assert list(table.rows) == [{"id": "P1", "Centre MRI": "Lyon"}, {"id": "P2", "Centre MRI": ""}]
    assert table.column(["site", "centre_mri"]) == "Centre MRI" and table.column(["site"]) == ""
    assert table.where(1).endswith("table.txt: row 2")


def test_windows_letters(tmp_path):
    path = tmp_path / "export.csv"
    path.write_bytes("id,ville\nP1,Besançon\n".encode("cp1252"))
    assert read_table(path).rows[0]["ville"] == "Besançon"


def test_json(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps([{"id": 1}, {"id": "b", "site": None}]))
    assert list(read_table(path).rows) == [{"id": "1", "site": ""}, {"id": "b", "site": ""}]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        pytest.param("a.csv", "", "got no row", id="empty"),
        pytest.param("a.csv", "id,site\n", "got no row", id="header_only"),
        pytest.param("a.csv", "id,id\n1,2\n", "got 'id' twice", id="column_twice"),
        pytest.param("a.csv", "id,site\n1,Lyon\n2,Paris,3\n", "row 2 must have at most 2 cells .*got 3", id="long_row"),
        pytest.param("a.json", '[{"id": }]', "valid JSON, got .*column 9", id="bad_json"),
        pytest.param("a.json", '{"test": []}', "a list of objects, got dict", id="json_object"),
    ],
)
def test_bad_table(tmp_path, name, content, match):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{match}"):
        read_table(tmp_path / name)


def test_missing_table_and_columns(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv: the table does not exist"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "a.csv").write_text("id,site\n1,Lyon\n")
    table = read_table(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv: .* a column 'patient', got id, site"):
        table.column(["patient", "subject"], required=True)
    with pytest.raises(ValueError, match="a column 'Centre', got id, site"):
        table.column(["site"], "Centre")
