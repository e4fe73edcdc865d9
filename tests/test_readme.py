"""What the README tells people to type is there."""

import importlib.util
import re
from pathlib import Path

import pytest

import bert_keras

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"\bbert_keras((?:\.[A-Za-z_]+)+)", README)))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_package_is_there(name):
    parts = name.lstrip(".").split(".")
    if parts[0] in bert_keras.__all__:
        return
    # A module; what is behind it would need TensorFlow to look at.
    assert importlib.util.find_spec(f"bert_keras.{'.'.join(parts)}") is not None
