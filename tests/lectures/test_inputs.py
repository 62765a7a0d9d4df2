import os
from pathlib import Path

import pytest

from edullama.errors import InputError
from edullama.lectures.inputs import find_lectures
from edullama.records import Failure


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "lectures"
    folder.mkdir()
    return folder


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("whatever it says, nobody opens it yet")


def names(root: Path) -> dict[str, str]:
    """Return by lecture the file, relative to the folder; there must be no failures."""
    lectures, failures = find_lectures(root)
    assert failures == []
    return {name: path.relative_to(root).as_posix() for name, path in lectures.items()}


def failures(root: Path) -> list[Failure]:
    return find_lectures(root)[1]


def test_pdf_and_pptx_files_are_lectures_named_after_their_place_in_the_order_of_their_names(root: Path) -> None:
    put(root, "10 Graphen.pdf", "02_Heaps.PPTX", "teil 1/01.Bäume.Pdf", "teil 1/alt/03.pdf", "teil 1.pdf")
    assert list(names(root).items()) == [
        ("02_Heaps", "02_Heaps.PPTX"),
        ("10 Graphen", "10 Graphen.pdf"),
        ("teil 1", "teil 1.pdf"),
        ("teil 1__01.Bäume", "teil 1/01.Bäume.Pdf"),
        ("teil 1__alt__03", "teil 1/alt/03.pdf"),
    ]


def test_two_lectures_of_one_name_are_told_apart_by_a_hash_of_their_paths(root: Path) -> None:
    put(root, "heaps.pdf", "heaps.pptx", "teil/1.pdf", "teil__1.pdf", "trees.pdf")
    assert names(root) == {
        "heaps-385b95": "heaps.pdf",
        "heaps-57480e": "heaps.pptx",
        "teil__1-b66468": "teil/1.pdf",
        "teil__1-3ad6dd": "teil__1.pdf",
        "trees": "trees.pdf",
    }
    (root / "heaps.pptx").unlink()
    assert set(names(root)) == {"heaps", "teil__1-b66468", "teil__1-3ad6dd", "trees"}


def test_hidden_files_and_lock_files_of_office_are_no_inputs(root: Path) -> None:
    put(root, "heaps.pptx", ".heaps.pdf", "._heaps.pptx", "~$heaps.pptx", ".git/trees.pdf", ".DS_Store", "~old.doc")
    assert names(root) == {"heaps": "heaps.pptx"}


def test_what_lies_beside_lectures_and_is_none_is_passed_over(root: Path) -> None:
    put(root, "heaps.pdf", "notes.txt", "heap.java", "README", "sources.zip")
    assert names(root) == {"heaps": "heaps.pdf"}


@pytest.mark.parametrize("kind", [".ppt", ".odp", ".key", ".doc", ".docx", ".ps", ".djvu", ".PPT"])
def test_slides_in_another_format_are_told_with_what_to_do(kind: str, root: Path) -> None:
    put(root, "heaps.pdf", f"teil 1/trees{kind}")
    lectures, failed = find_lectures(root)
    assert list(lectures) == ["heaps"]
    assert failed == [Failure(f"lectures/teil 1/trees{kind}", None, f"a {kind} file", "Save it as PDF or PPTX.")]


def test_a_link_to_a_file_is_a_lecture_named_after_the_link(root: Path, tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/download (3).pdf")
    (root / "heaps.pdf").symlink_to(tmp_path / "elsewhere/download (3).pdf")
    assert names(root) == {"heaps": "heaps.pdf"}


def test_a_link_to_a_lecture_that_is_not_there_is_told(root: Path) -> None:
    (root / "heaps.pdf").symlink_to(root / "gone.pdf")
    (root / "round.pdf").symlink_to(root / "round.pdf")
    (root / "notes.txt").symlink_to(root / "gone.txt")
    assert failures(root) == [
        Failure(f"lectures/{name}", None, "a link to a file that is not there", "Put the file itself in its place.")
        for name in ("heaps.pdf", "round.pdf")
    ]


def test_a_pipe_is_no_lecture_to_wait_for(root: Path) -> None:
    os.mkfifo(root / "heaps.pdf")
    problem, advice = "not a file but a pipe or a device", "Put the lecture itself in its place."
    assert failures(root) == [Failure("lectures/heaps.pdf", None, problem, advice)]


def test_a_name_too_long_for_a_file_of_ours_is_cut_and_told_apart_by_a_hash(root: Path) -> None:
    folder = "Übung " * 25  # 175 bytes
    put(root, f"{folder}/Heap.pdf", f"{folder}/Heaps.pdf", f"{folder}/Hea.pdf")
    assert names(root) == {
        f"{folder}__Hea": f"{folder}/Hea.pdf",
        f"{folder}__Hea-f2a00d": f"{folder}/Heap.pdf",
        f"{folder}__Hea-f0977e": f"{folder}/Heaps.pdf",
    }


def test_a_link_to_a_folder_is_told_and_not_followed(root: Path, tmp_path: Path) -> None:
    put(root, "heaps.pdf")
    put(tmp_path, "elsewhere/trees.pdf")
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "self").symlink_to(root)
    lectures, failed = find_lectures(root)
    assert list(lectures) == ["heaps"]
    assert failed == [
        Failure(name, None, "a link to a folder, which is not followed", "Put the folder itself in its place.")
        for name in ("lectures/more", "lectures/self")
    ]


def test_a_folder_that_does_not_exist_or_has_no_lecture_is_told_with_what_to_put_there(root: Path) -> None:
    put(root, "notes.txt", ".hidden.pdf", "empty/README")
    for folder in (root, root / "nowhere", root / "notes.txt"):
        with pytest.raises(InputError) as told:
            find_lectures(folder)
        assert str(told.value) == (
            f"{folder}: no PDF there. Put the course's lecture slides into this folder, as PDF or PPTX files."
        )


def test_a_folder_of_nothing_but_other_formats_is_told_file_by_file(root: Path) -> None:
    put(root, "heaps.ppt")
    assert find_lectures(root) == ({}, [Failure("lectures/heaps.ppt", None, "a .ppt file", "Save it as PDF or PPTX.")])


def test_a_folder_named_like_a_lecture_is_a_folder(root: Path) -> None:
    put(root, "script.pdf/heaps.pdf")
    assert names(root) == {"script.pdf__heaps": "script.pdf/heaps.pdf"}
