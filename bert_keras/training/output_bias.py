"""Where a fresh head for masked words begins: at how often each piece is the answer."""

import numpy as np

from bert_keras.errors import BadInput

_ROWS, _BATCH_SIZE = 8192, 256


def start_at_frequencies(model, rows):
    """Sets the bias of the masked language model's head to the logarithm of the frequencies of the masked pieces.

    With small weights the model then begins as a unigram model of its rows, and not as a uniform one: the first
    hundreds of steps, in which a head that begins at zeros learns frequencies, are saved (the advice is common, for
    example Karpathy 2019, "A Recipe for Training Neural Networks": initialize the final bias well).

    Args:
        model: a `PretrainingModel` whose head is a fresh one.
        rows: where rows come from, see `Phase`: the masked positions of the first ones of its first epoch are counted,
            and one more of each piece.

    Raises:
        BadInput: the head has learnt already.
    """
    bias = model.mlm_head.bias
    if np.any(bias.numpy()):
        raise BadInput(
            "The head for masked words has a bias already; expected a fresh head to begin at the frequencies of the "
            "pieces: leave that out."
        )
    counts = np.ones(bias.shape[0])
    batches = -(-min(_ROWS, rows.num_rows()) // _BATCH_SIZE)
    for batch in rows.dataset(_BATCH_SIZE, start=(0, 0), drop_remainder=True).take(batches):
        masked = batch["mask_ids"].numpy()[batch["mask_weights"].numpy() > 0]
        counts += np.bincount(masked, minlength=len(counts))
    bias.assign(np.log(counts / counts.sum()).astype("float32"))
