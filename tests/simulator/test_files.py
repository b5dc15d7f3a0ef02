"""Files that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from simulator.errors import UnreadableError
from simulator.files import write_atomic


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """Numbers of processes come again, in containers with every start."""
    path = tmp_path / "plan.json"
    for number in (os.getpid(), 1):
        (tmp_path / f".{path.name}.{number}.tmp").write_text("half")
    write_atomic(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """Neither a half of the new one nor a temporary file, and the place is named."""
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(UnreadableError, match="cannot be written") as error:
        write_atomic(path, b"whole")
    assert error.value.location == str(path)
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]
