"""Directories are written whole or not at all."""

import errno
import os

import pytest

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.files import full_disk, replaced_directory, reserve
from tests.bert_keras.full_disk import files_up_to

PRESET = '{"registered_name": "bert_keras>BertBackbone"}'


def write(path, name, text):
    with open(os.path.join(path, name), "w", encoding="utf-8") as file:
        file.write(text)


def names(path):
    return sorted(os.listdir(path))


def test_a_new_directory_appears_with_what_was_written(tmp_path):
    with replaced_directory(tmp_path / "deep" / "out") as new:
        write(new, "a", "1")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a").read_text() == "1"


def test_an_old_directory_is_replaced_whole(tmp_path):
    for name in ("a", "b"):
        with replaced_directory(tmp_path / "out") as new:
            write(new, "config.json", PRESET)
            write(new, name, name)
    assert names(tmp_path / "out") == ["b", "config.json"]


def test_an_empty_directory_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with replaced_directory(tmp_path / "out") as new:
        write(new, "config.json", "x")
    assert names(tmp_path / "out") == ["config.json"]


@pytest.mark.parametrize("where", ["", "out"])
def test_files_of_someone_else_are_not_lost(tmp_path, where):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match="it holds other files, which would be lost; choose another name"):
        with replaced_directory(tmp_path / where):
            pass
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("name", ["config.json", "saved_model.pb", "train_args.json"])
def test_an_earlier_output_is_replaced(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(PRESET)
    with replaced_directory(tmp_path / "out"):
        pass
    assert names(tmp_path / "out") == []


def test_a_failure_leaves_the_old_directory_and_nothing_else(tmp_path):
    with replaced_directory(tmp_path / "out") as new:
        write(new, "train_args.json", "old")
    with pytest.raises(RuntimeError):
        with replaced_directory(tmp_path / "out") as new:
            write(new, "train_args.json", "new")
            raise RuntimeError("in the middle")
    assert (tmp_path / "out" / "train_args.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_nothing_stays_beside_a_replaced_directory(tmp_path):
    for _ in range(2):
        with replaced_directory(tmp_path / "out") as new:
            write(new, "saved_model.pb", "x")
    assert names(tmp_path) == ["out"]


def test_others_may_read_the_directory_as_the_umask_says(tmp_path):
    former = os.umask(0o022)
    try:
        with replaced_directory(tmp_path / "out"):
            pass
    finally:
        os.umask(former)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadInput, match="out: a file of that name is there"):
        with replaced_directory(tmp_path / "out"):
            pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/out.*choose another place"):
        with replaced_directory(tmp_path / "file" / "out"):
            pass


@pytest.mark.parametrize("config", ['{"model_type": "bert"}', "[]", "no JSON", '{"compilerOptions": {}}'])
def test_a_config_that_names_no_class_is_someone_elses(tmp_path, config):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text(config)
    with pytest.raises(BadInput, match="it holds other files"):
        with replaced_directory(tmp_path / "out"):
            pass
    assert (tmp_path / "out" / "config.json").read_text() == config


@pytest.mark.parametrize("inside", ["out", "out/deeper"])
def test_the_working_directory_is_not_taken_away(tmp_path, monkeypatch, inside):
    (tmp_path / inside).mkdir(parents=True)
    (tmp_path / "out" / "train_args.json").write_text("former")
    monkeypatch.chdir(tmp_path / inside)
    with pytest.raises(BadInput, match="out: it is in use as the working directory; name one in it"):
        with replaced_directory(tmp_path / "out"):
            pass
    with replaced_directory("new") as new:
        write(new, "a", "1")
    assert (tmp_path / inside / "new" / "a").read_text() == "1"


def test_a_mount_point_is_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path / "out"))
    with pytest.raises(BadInput, match="out: it is a mount point; name a directory in it"):
        with replaced_directory(tmp_path / "out"):
            pass


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    with replaced_directory(tmp_path / "out") as new:
        write(new, "a", "1")
    assert (tmp_path / "out").is_symlink() and names(tmp_path / "disk") == ["a"]


def test_what_came_in_the_way_meanwhile_costs_neither_itself_nor_the_work(tmp_path):
    with pytest.raises(WorkFailed, match="What was written lies in .*out: it holds other files") as caught:
        with replaced_directory(tmp_path / "out") as new:
            write(new, "a", "1")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "thesis.tex").write_text("mine")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"
    (kept,) = (path for path in tmp_path.iterdir() if path.name != "out")
    assert str(kept) in str(caught.value) and names(kept) == ["a"]


def test_a_move_that_fails_leaves_the_old_directory_and_keeps_the_work(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train_args.json").write_text("former")
    rename = os.rename

    def busy(source, target):
        if str(source) == str(tmp_path / "out"):
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(os, "rename", busy)
    with pytest.raises(WorkFailed, match="lies in .*out: Device or resource busy"):
        with replaced_directory(tmp_path / "out") as new:
            write(new, "a", "1")
    assert names(tmp_path / "out") == ["train_args.json"]
    (kept,) = (path for path in tmp_path.iterdir() if path.name != "out")
    assert names(kept) == ["a"]


def test_room_is_made_sure_of_and_nothing_of_it_stays(tmp_path):
    reserve(tmp_path, 100_000)
    with files_up_to(50_000), pytest.raises(OSError) as raised:
        reserve(tmp_path, 100_000)
    assert full_disk(raised.value) == "File too large" and names(tmp_path) == []


def test_a_place_where_no_room_can_be_reserved_is_written_to_all_the_same(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reserve(tmp_path, 100_000)
    monkeypatch.delattr(os, "posix_fallocate")
    reserve(tmp_path, 100_000)


def test_a_full_disk_is_known_by_its_words_in_other_errors():
    try:
        try:
            raise OSError(errno.ENOSPC, "x")
        except OSError as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as error:
        assert full_disk(error) == "No space left on device"
    assert full_disk(RuntimeError("write failed: Disk quota exceeded [Op:Flush]")) == "Disk quota exceeded"
    assert full_disk(RuntimeError("other")) is None and full_disk(OSError(errno.EACCES, "x")) is None
