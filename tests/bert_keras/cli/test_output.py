"""Writing whole or not at all."""

import json
import os

import pytest

from bert_keras.cli import output
from bert_keras.errors import BadInput


def write(path, content="new", **options):
    with output.new_directory(path, **options) as directory:
        (directory / output.MARK).write_text("{}")
        (directory / "file").write_text(content)


def names(path):
    return sorted(os.listdir(path))


def test_a_directory_appears_with_all_its_parents(tmp_path):
    write(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "file").read_text() == "new" and names(tmp_path / "a") == ["b"]


def test_an_earlier_output_is_replaced_whole(tmp_path):
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "more").write_text("x")
    write(tmp_path / "out")
    assert names(tmp_path / "out") == ["file", output.MARK] and names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "file").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_run_leaves_the_earlier_output(tmp_path, error):
    write(tmp_path / "out", "old")
    with pytest.raises(error):
        with output.new_directory(tmp_path / "out") as directory:
            (directory / "file").write_text("half")
            raise error
    assert (tmp_path / "out" / "file").read_text() == "old" and names(tmp_path) == ["out"]


def test_an_empty_directory_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    assert (tmp_path / "out" / "file").exists()


def test_a_directory_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="holds thesis.tex and is no earlier output"):
        write(tmp_path)
    assert names(tmp_path) == ["thesis.tex"]


def test_an_earlier_output_can_be_protected(tmp_path):
    write(tmp_path / "out")
    with pytest.raises(BadInput, match="no earlier output"):
        write(tmp_path / "out", replace_ours=False)


def test_a_link_to_an_earlier_output_stays_a_link(tmp_path):
    write(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "file").read_text() == "new"


def test_a_file_in_the_way_is_said_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, said in (
        (tmp_path / "file", "this is a file"),
        (tmp_path / "file" / "out", "Cannot write the directory"),
    ):
        with pytest.raises(BadInput, match=said):
            with output.new_directory(path):
                pytest.fail("the work began")


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "out")
        with output.new_file(tmp_path / "f"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750 and (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_a_file_is_replaced_at_the_end_and_kept_after_an_error(tmp_path):
    path = tmp_path / "f.json"
    with output.new_file(path) as file:
        output.write_json(file, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    with pytest.raises(ValueError):
        with output.new_file(path) as file:
            file.write("half")
            raise ValueError
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"} and names(tmp_path) == ["f.json"]


def test_a_device_is_written_in_place():
    with output.new_file("/dev/null") as file:
        file.write("gone")
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize(
    "path, said", [("", "this is a directory"), ("none/f", "cannot be written"), ("f/g", "cannot")]
)
def test_a_file_that_cannot_be_written_is_said_before_any_work(tmp_path, path, said):
    (tmp_path / "f").write_text("x")
    with pytest.raises(BadInput, match=said):
        with output.new_file(tmp_path / path):
            pytest.fail("the work began")


def test_the_table_of_metrics_shows_names_and_values(capsys):
    output.print_metrics({"accuracy": 0.91234, "f1": 1.0}, title="dev.tsv")
    shown = capsys.readouterr().out
    assert "dev.tsv" in shown and "accuracy" in shown and "0.9123" in shown and "1.0000" in shown


def test_an_empty_name_is_not_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="the name of the directory to write is empty"):
        write("")
    assert names(tmp_path) == []
