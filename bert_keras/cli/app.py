"""The command tree. No command imports Keras or TensorFlow before it runs: `--help` must be quick."""

import click

import bert_keras
from bert_keras.cli import contract
from bert_keras.cli.augment import augment
from bert_keras.cli.client import load_test, metadata, query, reload, status, wait
from bert_keras.cli.deploy import deploy
from bert_keras.cli.evaluate import evaluate
from bert_keras.cli.export import export
from bert_keras.cli.fill_mask import fill_mask
from bert_keras.cli.fine_tune import fine_tune
from bert_keras.cli.pipeline import demo, pipeline
from bert_keras.cli.predict import predict
from bert_keras.cli.pretrain import pretrain
from bert_keras.cli.pretrain_data import pretrain_data
from bert_keras.cli.serving import serve
from bert_keras.cli.vocab import vocab


@click.group(cls=contract.Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(bert_keras.__version__, prog_name="bert-keras")
def cli() -> None:
    """Pretrain, fine-tune, evaluate, export and serve BERT.

    Exit codes: 0 done, 1 the work failed, 2 bad usage or bad input.
    """


for command in (
    fine_tune,
    evaluate,
    predict,
    export,
    serve,
    deploy,
    query,
    status,
    metadata,
    wait,
    reload,
    load_test,
    pipeline,
    vocab,
    pretrain_data,
    augment,
    pretrain,
    fill_mask,
    augment,
    demo,
):
    cli.add_command(command)
