"""Segments in files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chromasql
from chromasql.keyword_index import KeywordIndex, SegmentBuilder, files
from chromasql.keyword_index.files import read_segment, write_segment

pytestmark = pytest.mark.unit


def segment(**documents: str | None):
    builder = SegmentBuilder()
    for row_id, document in documents.items():
        builder.add(row_id, document)
    return builder.build()


def test_a_file_holds_the_segment(tmp_path: Path) -> None:
    """What is read is what was written, ids and words of any script included."""
    written = segment(a="red fox", b=None, é="東京 fox")
    write_segment(tmp_path / "one.npz", written, {"made": 5.0})

    found = read_segment(tmp_path / "one.npz")

    assert found is not None
    read, facts = found
    assert facts == {"made": 5.0}
    assert (list(read.ids), list(read.terms)) == (list(written.ids), list(written.terms))
    for name in ("lengths", "fingerprints", "starts", "numbers", "counts"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()


def test_a_segment_of_nothing(tmp_path: Path) -> None:
    """A collection without records has a file, too."""
    write_segment(tmp_path / "one.npz", segment(), {"made": 5.0})

    found = read_segment(tmp_path / "one.npz")

    assert found is not None
    assert list(found[0].ids) == []


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    """A folder that is made and every file in it are for their owner alone, whatever the umask says."""
    before = os.umask(0)
    try:
        KeywordIndex(tmp_path / "index").keep("docs", "1", segment(a="red"))
    finally:
        os.umask(before)

    made = [tmp_path / "index", *(tmp_path / "index").iterdir()]
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made] == [0, 0]


def test_no_file_and_a_file_of_another_version_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose words were cut by other rules is as if it were not there."""
    assert read_segment(tmp_path / "one.npz") is None
    monkeypatch.setattr(files, "VERSION", "older")
    write_segment(tmp_path / "one.npz", segment(a="red"), {"made": 5.0})
    monkeypatch.undo()

    assert read_segment(tmp_path / "one.npz") is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_file_is_refused(tmp_path: Path, share: float) -> None:
    """A file that was cut off anywhere is an error of ours that says what to do."""
    path = tmp_path / "one.npz"
    write_segment(path, segment(a="red fox", b="blue"), {"made": 5.0})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(chromasql.ChromaSQLExecutionError, match=r"damaged.*delete the file") as caught:
        read_segment(path)
    assert caught.value.code == "keyword-index-damaged"


def test_a_file_with_other_bytes_is_refused(tmp_path: Path) -> None:
    """A byte that changed inside an array does not go unseen."""
    path = tmp_path / "one.npz"
    write_segment(path, segment(a="red fox " * 50, b="blue"), {"made": 5.0})
    data = bytearray(path.read_bytes())
    place = data.index(b"redfox")
    data[place] ^= 1
    path.write_bytes(data)

    with pytest.raises(chromasql.ChromaSQLExecutionError, match="damaged"):
        read_segment(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where a file stands in the place of the folder, the error says what to give."""
    (tmp_path / "index").write_text("a file")

    with pytest.raises(chromasql.ChromaSQLExecutionError, match="cannot be written") as caught:
        KeywordIndex(tmp_path / "index").keep("docs", "1", segment(a="red"))
    assert caught.value.code == "keyword-index-failed"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens before the new file is whole, the old one stays and nothing else lies beside it."""
    path = tmp_path / "one.npz"
    write_segment(path, segment(a="red"), {"made": 5.0})

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(chromasql.ChromaSQLExecutionError, match="No space left"):
        write_segment(path, segment(b="blue"), {"made": 6.0})
    monkeypatch.undo()

    found = read_segment(path)
    assert found is not None
    assert list(found[0].ids) == ["a"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.npz"]


_WRITER = """
import sys
from pathlib import Path
from chromasql.keyword_index import SegmentBuilder
from chromasql.keyword_index.files import write_segment

for step in range(1_000_000):
    builder = SegmentBuilder()
    for number in range(200):
        builder.add(f"d{number}", f"word{step}")
    write_segment(Path(sys.argv[1]), builder.build(), {"made": float(step)})
    if step == 0:
        print("begun", flush=True)
"""


def test_processes_that_write_and_are_killed(tmp_path: Path) -> None:
    """While two processes write one file, and after both were killed, a reader finds all of one write or of another."""
    path = tmp_path / "one.npz"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "begun\n"
        read = [read_segment(path) for _ in range(50)]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    read.append(read_segment(path))

    for found in read:
        assert found is not None
        written, facts = found
        assert list(written.terms) == [f"word{facts['made']:.0f}"]
        assert len(written.ids) == 200


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """A file that was begun a day ago goes with the next write, and one that was begun just now stays."""
    for name, age in ((".new-old", 2 * 24 * 3600), (".new-young", 0)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    write_segment(tmp_path / "one.npz", segment(a="red"), {"made": 5.0})

    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".new-young", "one.npz"]


def test_another_process_wrote_a_newer_file(tmp_path: Path) -> None:
    """An index reads the file again where it is newer and the number of records is not what it knows."""
    mine, theirs = KeywordIndex(tmp_path), KeywordIndex(tmp_path)
    mine.keep("docs", "1", segment(a="red"))
    theirs.keep("docs", "1", segment(a="red", b="blue"))

    kept, newer = mine.find("docs", "1", 1), mine.find("docs", "1", 2)

    assert kept is not None
    assert newer is not None
    assert (list(kept.ids), list(newer.ids)) == (["a"], ["a", "b"])


def test_a_collection_made_anew_has_another_segment() -> None:
    """A collection of the same name and another id is another collection."""
    index = KeywordIndex(None)
    index.keep("docs", "1", segment(a="red"))

    assert index.find("docs", "2") is None
    assert index.status_of("docs", "2").documents is None
    assert index.status_of("docs", "1").documents == 1
