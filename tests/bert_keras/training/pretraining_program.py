"""A small pretraining run in a process of its own, to be killed: `python pretraining_program.py DIRECTORY`.

Prints a line for each step.
"""

import sys

from tests.bert_keras.masked_rows import PIECES, RowStream
from tests.bert_keras.tiny_encoder import tiny_encoder

STEPS = (12, 6)


def make_run(directory, on_step=None, **options):
    """A run of two phases with dropout, parts and rows of two lengths."""
    from bert_keras import MaskedTextPreprocessor, PretrainingModel, WordPieceTokenizer
    from bert_keras.training.pretraining import Phase, PretrainingRun
    from bert_keras.training.pretraining_recipe import PretrainingRecipe

    backbone = tiny_encoder(PIECES, num_layers=1, dropout=0.1, attention_dropout=0.1)
    preprocessor = MaskedTextPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=16)
    model = PretrainingModel(backbone, preprocessor)
    learning_rates = options.pop("learning_rates", [1e-2, 5e-3])
    model.compile(PretrainingRecipe(warmup=0.2).build(list(STEPS), learning_rates), accumulate=2)
    phases = [Phase(RowStream(20, 0, 12), STEPS[0], 8), Phase(RowStream(20, 1, 16), STEPS[1], 4)]
    options = {"seed": 5, "checkpoint_every": 4, "log_every": 3, **options}
    return PretrainingRun(model, phases, directory, on_step=on_step, **options)


if __name__ == "__main__":
    make_run(sys.argv[1], on_step=lambda step, loss: print(step, flush=True)).run()
