"""Files that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from simulator.errors import UnreadableError
from simulator.files import is_device, read_npz, write_atomic


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


@pytest.mark.parametrize("name", [".", "/", "..", ""])
def test_a_place_without_a_name_is_a_directory(name: str) -> None:
    """No file can be put there, and it is no defect to be asked to."""
    with pytest.raises(UnreadableError, match="is a directory"):
        write_atomic(Path(name), b"whole")


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """A pipe, or /dev/null under root, must not become a regular file of our making."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"whole")
        assert os.read(end, 100) == b"whole"
    finally:
        os.close(end)
    assert pipe.is_fifo()
    assert [item.name for item in tmp_path.iterdir()] == ["pipe"]
    assert not is_device(tmp_path)
    assert not is_device(tmp_path / "new")


def test_arrays_are_not_read_from_what_never_ends(tmp_path: Path) -> None:
    """Looking for the end of an archive in a device would go on for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableError, match="no regular file"):
        read_npz(pipe)
