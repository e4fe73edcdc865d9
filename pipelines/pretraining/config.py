"""What a pretraining pipeline is told: the section `pretraining` of a YAML file.

    name: news
    pretraining:
      corpus: {files: 'news/*.txt.gz'}
      model: {preset: minilm_l6_uncased}
      phases:
        - {steps: 1000}

Everything else has a default. Relative paths are relative to the YAML file.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from bert_keras.data.idle_settings import check_all_used
from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_corpus import CorpusSettings
from bert_keras.data.row_plan import RowSettings
from bert_keras.training.pretraining_recipe import PretrainingRecipe
from bert_keras.yaml_config import Section
from pipelines.config import Count, Fraction, RunConfig, Seed, Threshold

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


def _listed(value):
    return [value] if isinstance(value, str) else value


Files = Annotated[list[Path], pydantic.BeforeValidator(_listed)]


class CorpusConfig(Section):
    """Where the text is: either `files`, whose documents are split, or `train` and `eval`."""

    files: Files = []
    """Files and globs of text; the hash of each document says whether it is trained on or held out."""
    eval_fraction: Fraction = 0.05
    """The part of the documents of `files` that is held out."""
    train: Files = []
    """Files and globs of text to train on."""
    eval: Files = []
    """Files and globs of held-out text."""
    field: str = "text"
    """Where the text stands in the objects of JSON Lines."""
    sentences: Literal["split", "lines"] = "split"
    """Whether paragraphs are split into sentences, or each line is one."""
    segmenter: str | None = None
    """What is a word in Chinese, for masking: a list of words, one a line, or `module:function`."""
    anomalies: Literal["tell", "stop"] = "tell"
    """What to do about text that can be read but looks wrong: tell it in the end, or refuse to train on it."""
    unknown_share: Share = 0.1
    """The share of `[UNK]` among the tokens that is no anomaly yet."""

    @pydantic.model_validator(mode="after")
    def _one_way_of_splitting(self):
        if self.files and (self.train or self.eval):
            raise ValueError("`files` stands beside `train` or `eval`; expected `files` alone, or `train` and `eval`")
        if not self.files and not (self.train and self.eval):
            raise ValueError("there is no text; expected `files`, or both `train` and `eval`")
        if not self.files and "eval_fraction" in self.model_fields_set:
            raise ValueError("`eval_fraction` splits `files`; with `train` and `eval` leave it out")
        return self

    @property
    def patterns(self) -> dict[str, list[Path]]:
        """Paths and globs by their key in the config."""
        return {key: paths for key in ("files", "train", "eval") if (paths := getattr(self, key))}


class StartConfig(Section):
    """The model that pretraining starts from."""

    preset: str
    """A preset's name, its directory or a Hugging Face directory; with `random_start` the name of a size."""
    head: Literal["auto", "loaded", "fresh"] = "auto"
    """The head for masked words: `auto`, the preset's where it has one; `loaded`, it must have one; `fresh`, a random
    one."""
    random_start: bool = False
    """Start from random weights instead of the preset's."""
    vocabulary: Path | None = None
    """The vocabulary file (one piece a line) of a size that starts at random."""

    @pydantic.model_validator(mode="after")
    def _random_weights_have_no_head(self):
        if self.random_start and self.head == "loaded":
            raise ValueError("`head: loaded` stands beside `random_start`; expected one of them")
        return self


class RowsConfig(Section):
    """What a row of masked words holds, in every phase."""

    objective: Literal["nsp", "sop", "none", "tlm"] = "nsp"
    """What is learnt beside masked words: next sentence, sentence order, nothing; or translations (`tlm`: the files
    hold a text, a tab and its translation a line)."""
    short_seq_prob: Share | None = None
    """Share of shorter rows; default: 0.1 for nsp and sop, else 0."""
    pack: bool = False
    """Whether several short sequences share a row, kept apart."""
    max_sequences: Count = 8
    """The most sequences of a packed row."""
    languages: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (0, 1)
    """The segment numbers of a text and its translation."""
    masking: Literal["token", "whole-word", "ngram"] = "token"
    """What is hidden together."""
    max_ngram: Count = 3
    """Words of the longest n-gram."""
    mask_probability: Fraction = 0.15
    """Share of the tokens to predict."""
    duplicates: Count = 10
    """Rounds through the training text, each with masks and pairs of its own; held-out text is masked once."""
    shards: Count | None = None
    """Files of training rows; default: by the size of the corpus. A worker holds the documents of one in memory."""


class PhaseConfig(Section):
    """Steps on rows of one length."""

    steps: Count
    """Optimizer steps."""
    max_length: Annotated[int, Field(ge=8)] = 128
    """Tokens of a row, special tokens included; held-out rows are as long as those of the last phase."""
    batch_size: Count = 256
    """Rows a step, over all replicas."""
    learning_rate: Rate | None = None
    """Highest learning rate of this phase, in which it rises and falls; default: `train.learning_rate`, which rises and
    falls once over all phases."""


class PretrainConfig(Section):
    """How it is trained."""

    learning_rate: Rate = 1e-4
    """Highest learning rate, where the phases have none of their own."""
    optimizer: Literal["adamw", "lamb"] = "adamw"
    """`lamb` is for batches of thousands of rows."""
    warmup: Share = PretrainingRecipe.warmup
    """Share of the steps over which the rate rises."""
    decay_power: Annotated[float, Field(gt=0)] = PretrainingRecipe.decay_power
    """1: the rate falls linearly."""
    weight_decay: Annotated[float, Field(ge=0)] = PretrainingRecipe.weight_decay
    """Decoupled weight decay."""
    clip: Annotated[float, Field(ge=0)] = PretrainingRecipe.clip
    """Largest norm of the gradient; 0: none."""
    bias_correction: bool = PretrainingRecipe.bias_correction
    """Of Adam's moments; the first BERT had none."""
    layer_decay: Rate = PretrainingRecipe.layer_decay
    """Rate of a layer over that of the one above."""
    sentence_loss_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the sentences' loss beside that of masked words."""
    accumulate: Count = 1
    """Parts that a batch is worked through in: as many times less memory."""
    recompute: bool = False
    """Whether blocks are computed again for their gradients: less memory, more work."""
    jit: bool = False
    """Whether the step is compiled with XLA."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """The numbers that layers compute with; weights stay float32."""
    strategy: Literal["auto", "none", "mirrored"] = "auto"
    """`mirrored` copies the model to every GPU of this machine; `auto` does that where there are GPUs."""
    seed: Seed = 0
    """The same seed on the same machine gives the same rows and weights; held-out rows do not depend on it."""
    checkpoint_every: Count = 1000
    """Steps between two checkpoints, from which a run that was stopped goes on."""
    log_every: Count = 100
    """Steps between two lines that say how it goes."""


class HeldOutConfig(Section):
    """When a model is good enough, on held-out text."""

    thresholds: dict[str, Threshold] = {}
    """Metric (mlm_loss, perplexity, mlm_accuracy; nsp_loss, nsp_accuracy …) -> what it must reach; default: mlm_loss is
    not above that of the last blessed model."""
    batch_size: Count = 64
    """Rows at a time; the figures do not depend on it."""


class PushPresetConfig(Section):
    """Where a good preset goes."""

    directory: Path | None = None
    """Presets are written below it as DIRECTORY/VERSION; default: ROOT/presets/NAME."""


class PretrainingConfig(Section):
    """Pretraining: text, a model to start from, steps, and a bar."""

    corpus: CorpusConfig
    model: StartConfig
    rows: RowsConfig = RowsConfig()
    phases: Annotated[list[PhaseConfig], Field(min_length=1)]
    """What is trained on, one after the other."""
    train: PretrainConfig = PretrainConfig()
    evaluate: HeldOutConfig = HeldOutConfig()
    push: PushPresetConfig = PushPresetConfig()

    @pydantic.model_validator(mode="after")
    def _rates_of_all_phases_or_of_none(self):
        given = [phase.learning_rate is not None for phase in self.phases]
        if any(given) and not all(given):
            raise ValueError("some of the `phases` have a `learning_rate`; expected all of them to have one, or none")
        if all(given) and "learning_rate" in self.train.model_fields_set:
            raise ValueError(
                "`train.learning_rate` does nothing where all `phases` have a `learning_rate`; expected one of them"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _every_setting_of_rows_is_used(self):
        check_all_used({**self.corpus.model_dump(), **self.rows.model_dump()})
        return self

    @property
    def corpus_settings(self) -> CorpusSettings:
        """How the files are read."""
        corpus = self.corpus
        return CorpusSettings(self.rows.objective == "tlm", corpus.sentences, corpus.field, corpus.segmenter)

    def row_settings(self, phase: PhaseConfig) -> RowSettings:
        """What rows of a phase hold. Raises `BadInput`."""
        names = ("objective", "short_seq_prob", "pack", "max_sequences", "languages")
        return RowSettings(phase.max_length, **{name: getattr(self.rows, name) for name in names})

    def mask_settings(self, phase: PhaseConfig) -> MaskSettings:
        """How tokens of a phase's rows are hidden."""
        rows = self.rows
        return MaskSettings(
            probability=rows.mask_probability,
            max_predictions=max(1, math.ceil(rows.mask_probability * phase.max_length)),
            unit=rows.masking.replace("-", "_"),
            max_ngram=rows.max_ngram,
        )

    @property
    def learning_rates(self) -> list[float]:
        """One for all phases, or one for each."""
        rates = [phase.learning_rate for phase in self.phases]
        return [self.train.learning_rate] if None in rates else rates


class PretrainingPipelineConfig(RunConfig):
    """A pipeline that pretrains."""

    pretraining: PretrainingConfig

    @property
    def push_directory(self) -> Path:
        """Where versions of the preset go."""
        return self.pretraining.push.directory or self.root / "presets" / self.name
