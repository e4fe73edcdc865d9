"""`bert-keras pretrain-data` where Beam is missing; with it, see tests/pipelines/test_pretraining_data.py."""

import importlib.util

from tests.bert_keras.cli.tiny import run


def test_without_beam_it_says_how_to_get_it(monkeypatch, tmp_path):
    (tmp_path / "c.txt").write_text("one\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = run("pretrain-data", tmp_path / "c.txt", "--vocabulary", "v.txt", "--out", tmp_path / "rows")
    assert outcome.code == 2 and "not installed: pip install 'bert-keras[tfx]'" in outcome.stderr
    assert not (tmp_path / "rows").exists()
