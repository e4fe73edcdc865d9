"""Every notebook runs from top to bottom, and does what it says."""

import json
import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Name of a Jupyter kernel that is this very Python and finds the project: none need be installed."""
    folder = tmp_path / "jupyter" / "kernels" / "this-python"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return folder.name


def run(path, kernel, questions):
    """Runs a notebook, and after its last cell evaluates `questions`, a dict of name to expression."""
    notebook = read(path)
    asked = "import json\nprint(json.dumps({" + ", ".join(f"{k!r}: {v}" for k, v in questions.items()) + "}))"
    notebook.cells.append(nbformat.v4.new_code_cell(asked))
    nbclient.NotebookClient(notebook, timeout=600, kernel_name=kernel).execute()
    return json.loads(notebook.cells[-1].outputs[0].text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_hold_no_outputs(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.slow
def test_the_fine_tuning_notebook_trains_reloads_and_exports_a_model_that_answers(kernel):
    found = run(
        ROOT / "notebooks" / "01_fine_tune.ipynb",
        kernel,
        {
            "accuracy": "accuracy",
            "same_answers": "same_answers",
            "served_labels": "served_labels",
            "labels": "[answer['label'] for answer in answers[:2]]",
            "logits_shape": "list(logits.shape)",
        },
    )
    assert found["accuracy"] >= 10 / 12
    assert found["same_answers"] is True
    assert found["served_labels"] == found["labels"]
    assert found["logits_shape"] == [12, 2]


@pytest.mark.slow
def test_the_notebook_on_named_entities_finds_names_that_it_has_never_seen(kernel):
    found = run(
        ROOT / "notebooks" / "02_named_entities.ipynb",
        kernel,
        {
            "names": "[[(e['text'], e['label']) for e in answer['entities']] for answer in answers]",
            "slices_back": "slices_back",
            "long": "len(long_entities)",
            "same_answers": "same_answers",
            "served_names": "served_names",
        },
    )
    assert ["Barbara Liskov", "PER"] in found["names"][0] and ["San Francisco", "LOC"] in found["names"][0]
    assert found["names"][2] == []
    assert found["slices_back"] is True and found["same_answers"] is True
    assert 76 <= found["long"] <= 84
    assert found["served_names"] == [name for name, _ in found["names"][0]]


@pytest.mark.slow
def test_the_notebook_on_question_answering_answers_and_says_where_there_is_none(kernel):
    found = run(
        ROOT / "notebooks" / "03_question_answering.ipynb",
        kernel,
        {
            "answers": "[answer['answer'] and answer['answer']['text'] for answer in found]",
            "slices_back": "slices_back",
            "same_answers": "same_answers",
            "served_answers": "served_answers",
        },
    )
    assert found["answers"] == ["München", None]
    assert found["slices_back"] is True and found["same_answers"] is True
    assert found["served_answers"] == ["München", ""]


@pytest.mark.slow
def test_the_notebook_on_pretraining_stops_goes_on_and_fills_in_what_it_has_read(kernel):
    found = run(
        ROOT / "notebooks" / "04_pretrain_your_own.ipynb",
        kernel,
        {
            "went_on_from": "went_on_from",
            "perplexity": "figures['val_perplexity']",
            "guesses": "guesses",
            "accuracy": "accuracy",
        },
    )
    assert found["went_on_from"] == 400
    assert found["perplexity"] < 2
    assert found["guesses"] == ["grass", "cluck"]
    assert found["accuracy"] > 0.8
