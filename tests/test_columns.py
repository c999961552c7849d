"""Data files read back by columns, and what is said of files that are not what they should be."""

from pathlib import Path

import numpy as np
import pytest

from nonconv.faults.errors import UsageError
from nonconv.results.columns import Columns, read_columns
from nonconv.results.csv_text import as_csv


@pytest.fixture
def table(tmp_path: Path) -> Columns:
    rows = [("a, b", 1, 0.1 + 0.2), ("c", 2, float("inf")), ("a, b", 3, float("nan")), ("c", 4, "")]
    (tmp_path / "table.csv").write_bytes(as_csv(("name", "step", "value"), rows))
    return read_columns(tmp_path / "table.csv")


def test_columns_are_what_was_written(table: Columns) -> None:
    assert table.rows == 4
    assert table["name"] == ["a, b", "c", "a, b", "c"]
    assert table.values("name") == ["a, b", "c"]
    assert table.integers("step").tolist() == [1, 2, 3, 4]
    assert np.array_equal(table.numbers("value"), [0.1 + 0.2, np.inf, np.nan, np.nan], equal_nan=True)
    assert table.records()[1] == {"name": "c", "step": "2", "value": "inf"}


def test_rows_are_chosen_by_text_or_mask(table: Columns) -> None:
    assert table.where("name", "c").integers("step").tolist() == [2, 4]
    assert table.select(table.integers("step") > 2)["name"] == ["a, b", "c"]
    assert table.where("name", "d").rows == 0
    assert table.where("name", "d").numbers("value").shape == (0,)


def test_a_column_that_is_not_there_or_holds_something_else(table: Columns) -> None:
    with pytest.raises(UsageError, match=r"table.csv has no column 'mse'; it has name, step, value$"):
        table.numbers("mse")
    with pytest.raises(UsageError, match=r"table.csv: column name: could not convert string to float: 'a, b'$"):
        table.numbers("name")
    with pytest.raises(UsageError, match=r"table.csv: column value: invalid literal for int"):
        table.integers("value")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: a data file has at least the names of its columns"),
        (b"a,b\n1,2\n3\n", "row 2 below the names has 1 field, not 2"),
        (b"a,b\n\xe9,2\n", "is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
    ids=["empty", "ragged", "latin", "missing"],
)
def test_a_file_that_cannot_be_read(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_columns(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_file_with_names_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(as_csv(("a", "b"), []))
    assert (read_columns(path).rows, read_columns(path).texts) == (0, {"a": [], "b": []})
