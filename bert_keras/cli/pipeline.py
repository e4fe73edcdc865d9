"""`bert-keras pipeline run` and `bert-keras demo`: the TFX pipeline."""

import click

from bert_keras.cli import contract
from bert_keras.cli.quiet import silence
from bert_keras.errors import BadInput


@click.group(cls=contract.Group, short_help="Run a TFX pipeline.")
def pipeline() -> None:
    """Run a TFX pipeline: validate data, train, evaluate and push."""


@pipeline.command()
@click.argument("config", metavar="CONFIG.yaml")
def run(config):
    """Run the pipeline that CONFIG.yaml describes."""
    silence()
    _check_tfx()
    from pipelines.runner import run_config

    run_config(config)


@click.command(cls=contract.Command, short_help="The whole path on the reviews that come with TFX.")
def demo():
    """Train, evaluate, push, serve and query on the 100 film reviews that come with TFX."""
    silence()
    _check_tfx()
    from pipelines import demo as steps

    steps.main()


def _check_tfx() -> None:
    import importlib.util

    if importlib.util.find_spec("tfx") is None:
        raise BadInput("the pipeline runs on TFX, which is not installed: pip install 'bert-keras[tfx]'")
