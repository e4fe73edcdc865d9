"""A Hugging Face question answering directory beside transformers' BertForQuestionAnswering.

The golden files are made by tests/golden/make_hf_tiny.py.
"""

from pathlib import Path

import numpy as np

from bert_keras.tasks import get_task

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "hf_tiny_question_answerer"


def test_the_head_of_the_directory_gives_the_peers_logits():
    with np.load(FOLDER / "outputs.npz") as arrays:
        golden = dict(arrays)
    answerer = get_task("question-answering").from_preset(str(FOLDER), max_length=40)
    ours = np.asarray(answerer({name: golden[name] for name in ("token_ids", "segment_ids", "padding_mask")}))
    real = golden["padding_mask"] == 1
    for side, name in enumerate(("start_logits", "end_logits")):
        np.testing.assert_allclose(ours[:, :, side][real], golden[name][real], rtol=0, atol=1e-5)
    # Padding can never be part of an answer.
    assert (ours[~real] < -1e8).all()
