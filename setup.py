"""Build entry for tools that ask for a setup.py; all metadata lives in pyproject.toml."""

from setuptools import setup

setup()
