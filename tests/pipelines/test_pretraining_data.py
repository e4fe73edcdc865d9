"""`bert-keras pretrain-data` on Beam's runner of this machine: shards, manifest, what is read back, what is refused."""

import json
import os
import random

import numpy as np
import pytest

from bert_keras.data.row_files import file_sha256
from tests.bert_keras.cli.tiny import run
from tests.bert_keras.full_disk import files_up_to

WORDS = [f"{first}{last}" for first in ("ba", "de", "ki", "lo", "mu") for last in ("ra", "ne", "si", "to")]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DOCUMENTS = 30


def make_text(seed=0):
    draw = random.Random(seed)

    def sentence():
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(3, 9))).capitalize() + "."

    documents = ["\n".join(" ".join(sentence() for _ in range(4)) for _ in range(3)) for _ in range(DOCUMENTS)]
    return "\n\n".join(documents) + "\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    pytest.importorskip("apache_beam")
    folder = tmp_path_factory.mktemp("pretraining")
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS, "."]) + "\n")
    (folder / "a.txt").write_text(make_text(0))
    (folder / "b.txt").write_text(make_text(1))
    (folder / "single.txt").write_text("\n\n".join(f"Bara {word}." for word in WORDS))
    (folder / "blank.txt").write_text("\n\n")
    (folder / "foreign.txt").write_text("Xyz xyz\nXyz\n\nXyz\nxyz xyz\n")
    (folder / "latin.txt").write_bytes(b"bara\nd\xe9ne\n")
    (folder / "pairs.tsv").write_text("".join(f"Bara {word}.\t{word} dene.\n" for word in WORDS))
    (folder / "no_mask.txt").write_text("\n".join(SPECIAL[:4] + WORDS))
    return folder


def pretrain_data(files, out, *args, corpus="a.txt", vocabulary="vocab.txt", length=32):
    fixed = ("--vocabulary", files / vocabulary, "--out", out, "--max-length", length)
    return run("pretrain-data", files / corpus, *fixed, *args)


@pytest.fixture(scope="module")
def written(files):
    """Rows of two files in three shards, two rounds."""
    args = ("--shards", 3, "--duplicates", 2, "--seed", 5, "--masking", "whole-word")
    outcome = pretrain_data(files, files / "rows", *args, corpus="?.txt")
    assert outcome.code == 0, outcome.stderr
    return files / "rows", outcome


@pytest.fixture(scope="module")
def row_files(written):
    from bert_keras.data.row_files import RowFiles

    return RowFiles(written[0])


def all_rows(row_files, **arguments):
    batches = list(row_files.dataset(batch_size=64, epochs=1, **arguments).as_numpy_iterator())
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_it_ends_with_counts_that_fit_the_rows(written, row_files):
    (said,) = written[1].rows
    rows = all_rows(row_files)
    assert said["shards"] == 3 and said["documents"] == 2 * DOCUMENTS
    assert said["rows"] == len(rows["token_ids"]) == row_files.num_rows()
    assert said["fill_rate"] == pytest.approx(rows["padding_mask"].mean(), abs=1e-5)
    assert said["predictions"] == rows["mask_weights"].sum()
    assert said["random_pairs"] == rows["sentence_label"].sum()
    assert 0.13 < said["masked_share"] < 0.16


def test_the_manifest_says_how_the_rows_were_made(files, written):
    manifest = json.loads((written[0] / "manifest.json").read_text())
    assert manifest["vocabulary"]["sha256"] == file_sha256(files / "vocab.txt")
    assert manifest["settings"]["masks"]["unit"] == "whole_word" and manifest["settings"]["seed"] == 5
    assert manifest["settings"]["files"] == [str(files / "a.txt"), str(files / "b.txt")]
    assert manifest["features"]["mask_weights"] == {"shape": [5], "dtype": "float32"}
    assert [shard["file"] for shard in manifest["shards"]] == [f"rows-0000{i}-of-00003.tfrecord" for i in range(3)]
    for shard in manifest["shards"]:
        assert shard["sha256"] == file_sha256(written[0] / shard["file"])
    assert sorted(path.name for path in written[0].iterdir()) == sorted(
        ["manifest.json", "train_args.json", *(shard["file"] for shard in manifest["shards"])]
    )


def test_each_shard_holds_the_rows_that_training_would_make_of_its_documents(files, written):
    """One implementation: a shard is what `PretrainingRows` gives, in its order."""
    import tensorflow as tf

    from bert_keras import WordPieceTokenizer
    from bert_keras.data.encoded_corpus import encode_documents
    from bert_keras.data.masking import MaskSettings
    from bert_keras.data.pretraining_corpus import CorpusSettings, read_texts
    from bert_keras.data.pretraining_rows import PretrainingRows
    from bert_keras.data.row_features import parse_rows
    from bert_keras.data.row_plan import RowSettings

    texts = [list(read_texts(str(files / name), CorpusSettings())) for name in ("a.txt", "b.txt")]
    of_shard = [text for number, of_file in enumerate(texts) for i, text in enumerate(of_file) if (number + i) % 3 == 1]
    tokenizer = WordPieceTokenizer(str(files / "vocab.txt"))
    seed = int(np.random.SeedSequence([5, 1]).generate_state(1, np.uint64)[0])
    masks = MaskSettings(max_predictions=5, unit="whole_word")
    made = PretrainingRows(encode_documents(of_shard, tokenizer), tokenizer, RowSettings(max_length=32), masks, seed)
    expected = [block for block in made.blocks(epochs=2)]
    dataset = tf.data.TFRecordDataset(str(written[0] / "rows-00001-of-00003.tfrecord"))
    found = next(dataset.batch(10**6).map(lambda rows: parse_rows(rows, made.features)).as_numpy_iterator())
    for name in made.features:
        np.testing.assert_array_equal(found[name], np.concatenate([block[name] for block in expected]))


def test_the_rows_reproduce_with_more_workers(files, written, tmp_path):
    args = ("--shards", 3, "--duplicates", 2, "--seed", 5, "--masking", "whole-word")
    workers = ("--beam", "direct_num_workers=3", "--beam", "direct_running_mode=multi_threading")
    outcome = pretrain_data(files, tmp_path / "rows", *args, *workers, corpus="?.txt")
    assert outcome.code == 0, outcome.stderr
    for path in written[0].glob("*.tfrecord"):
        assert path.read_bytes() == (tmp_path / "rows" / path.name).read_bytes()


def test_an_epoch_of_files_gives_every_row_once_in_another_order(row_files):
    def keys(epoch):
        rows = all_rows(row_files, start=(epoch, 0))
        return [row.tobytes() for row in np.concatenate([rows["token_ids"], rows["mask_positions"]], axis=1)]

    first, second = keys(0), keys(1)
    assert sorted(first) == sorted(second) and first != second and keys(0) == first


def test_a_stream_of_files_can_be_taken_up_again_and_dealt_out(row_files):
    def tokens(**arguments):
        return [row["token_ids"].tobytes() for row in row_files.dataset(**arguments).as_numpy_iterator()]

    whole = tokens(epochs=2)
    start = row_files.advance((0, 0), row_files.num_rows() + 7)
    assert start == (1, 7)
    assert tokens(epochs=1, start=start) == whole[row_files.num_rows() + 7 :]
    assert [tokens(epochs=2, num_shards=2, index=index) for index in (0, 1)] == [whole[0::2], whole[1::2]]


def test_rows_of_another_vocabulary_are_refused(written, files):
    from bert_keras import WordPieceTokenizer
    from bert_keras.data.row_files import RowFiles
    from bert_keras.errors import BadInput

    RowFiles(written[0], tokenizer=WordPieceTokenizer(str(files / "vocab.txt"))).verify()
    with pytest.raises(BadInput, match="the rows were made with another vocabulary"):
        RowFiles(written[0], tokenizer=WordPieceTokenizer([*SPECIAL, "other"]))


def test_a_shard_that_was_cut_off_is_noticed(written, tmp_path):
    import shutil

    from bert_keras.data.row_files import RowFiles
    from bert_keras.errors import BadInput

    shutil.copytree(written[0], tmp_path / "rows")
    path = tmp_path / "rows" / "rows-00002-of-00003.tfrecord"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(BadInput, match=r"rows-00002-of-00003\.tfrecord: the shard is not what was written"):
        RowFiles(tmp_path / "rows").verify()
    path.write_bytes(content[:-9])
    with pytest.raises(BadInput, match=r"rows-00002-of-00003\.tfrecord: the shard is missing or not of \d+ bytes"):
        RowFiles(tmp_path / "rows")


def test_translations_and_packed_rows(files, tmp_path):
    from bert_keras.data.row_files import RowFiles

    args = ("--objective", "tlm", "--pack", "--languages", 1, 2, "--duplicates", 1)
    outcome = pretrain_data(files, tmp_path / "rows", *args, corpus="pairs.tsv")
    assert outcome.code == 0, outcome.stderr
    rows = all_rows(RowFiles(tmp_path / "rows"))
    assert outcome.rows[0]["sequences"] == len(WORDS) and rows["sequence_ids"].max() > 1
    assert set(rows["segment_ids"][rows["padding_mask"] == 1]) == {1, 2}


BAD = {
    "a blank corpus": ("blank.txt", (), "blank.txt: the corpus is empty; expected at least one line of text"),
    "one sentence each": ("single.txt", (), "All 20 documents of the corpus have one sentence; the objective nsp"),
    "no [MASK]": ("a.txt", ("--vocabulary", "no_mask.txt"), "lacks [MASK]; a BERT vocabulary has"),
    "too long": ("a.txt", ("--max-length", 600), "--max-length is 600, and the encoder has 512 positions"),
    "too short": ("a.txt", ("--max-length", 4), "max_length is 4; expected at least 8"),
    "nothing to mask": ("a.txt", ("--mask-probability", 0), "The masking probability is 0.0; expected a number"),
    "no predictions": ("a.txt", ("--max-predictions", 0), "max_predictions is 0; expected at least 1"),
    "a foreign vocabulary": ("foreign.txt", (), "tokens of the corpus are [UNK], so that none can be masked"),
    "not UTF-8": ("latin.txt", (), "latin.txt, row 2: not UTF-8 (byte 0xe9 at byte 6)"),
    "no such file": ("missing.txt", (), "missing.txt: there is no such file"),
    "no pairs": ("a.txt", ("--objective", "tlm"), "a.txt, row 1: 1 fields; expected a text, a tab and its translation"),
    "no segmenter": ("a.txt", ("--segmenter", "nowhere:cut"), "No module named 'nowhere'"),
    "a Beam option": ("a.txt", ("--beam", "runer=x"), "Beam has no option 'runer'"),
    "two tokenizers": ("a.txt", ("--preset", "tiny_uncased"), "there is no tokenizer, or two; expected one of"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2_and_writes_nothing(files, tmp_path, case):
    corpus, args, said = BAD[case]
    args = [files / arg if arg == "no_mask.txt" else arg for arg in args]
    outcome = pretrain_data(files, tmp_path / "rows", *args, corpus=corpus)
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert outcome.code == 2 and len(lines) == 1 and said in lines[0], outcome.stderr
    assert not list(tmp_path.iterdir())


def test_rows_replace_former_ones_and_nothing_else(files, tmp_path):
    out = tmp_path / "rows"
    assert pretrain_data(files, out, "--duplicates", 1, "--shards", 2).code == 0
    assert pretrain_data(files, out, "--duplicates", 1, "--shards", 1).code == 0
    assert [path.name for path in out.glob("*.tfrecord")] == ["rows-00000-of-00001.tfrecord"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert pretrain_data(files, tmp_path / "mine").code == 2
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("size", [100, 5000])
def test_rows_that_do_not_fit_leave_the_former_ones(files, tmp_path, caplog, size):
    """100 bytes: a worker's report is the first that does not fit; 5,000: a shard."""
    out = tmp_path / "rows"
    assert pretrain_data(files, out, "--duplicates", 1, "--shards", 2).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with files_up_to(size):
        outcome = pretrain_data(files, out, "--duplicates", 3, "--shards", 1)
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert (outcome.code, len(lines)) == (1, 1), outcome.stderr
    assert not [record for record in caplog.records if record.name.startswith("apache_beam")]
    assert f"{out}: the disk is full (File too large); what was there before is as it was" in lines[0]
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert os.listdir(tmp_path) == ["rows"]
    assert pretrain_data(files, out, "--duplicates", 1, "--shards", 1).code == 0
