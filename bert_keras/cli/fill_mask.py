"""`bert-keras fill-mask PRESET TEXT…`: the likeliest words for each `[MASK]`."""

import json

import click

from bert_keras.cli import contract, output
from bert_keras.cli.quiet import starting_tensorflow


@click.command(cls=contract.Command, short_help="The likeliest words for each [MASK] of a text.")
@click.argument("preset", metavar="PRESET")
@click.argument("texts", metavar="TEXT…", nargs=-1, required=True)
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True, help="How many words for each mask.")
@click.option("--out", metavar="FILE", help="Write the JSON lines here instead of to the terminal.")
def fill_mask(preset, texts, top_k, out):
    """Print one JSON line per text with, for each [MASK] in it, the likeliest words and their probabilities.

    PRESET is what `bert-keras pretrain` wrote (RUN/preset), or a Hugging Face directory of a model that was pretrained
    on masked words.
    """
    with output.new_file(out) as file:
        with starting_tensorflow():
            from bert_keras.tasks.pretraining_model import PretrainingModel
        model = PretrainingModel.from_preset(preset, fresh_head=False)
        for text, masks in zip(texts, model.fill_masks(list(texts), top_k=top_k)):
            print(json.dumps({"text": text, "masks": masks}, ensure_ascii=False), file=file)
