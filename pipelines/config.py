"""What a pipeline run is told: one YAML file, validated as a whole before anything starts.

    name: reviews
    data:
      path: reviews.csv
    model:
      preset: minilm_l6_uncased

Everything else has a default. Relative paths are relative to the YAML file.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from bert_keras.yaml_config import Section

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class RunConfig(Section):
    """What every pipeline has: its name, and where it writes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
    """The pipeline's name, in its metadata and by default as the served model's; letters, digits, `.`, `_`, `-`."""
    root: Path = Path("runs")
    """The folder of everything that the pipeline writes: ROOT/NAME and the metadata ROOT/metadata.sqlite."""
    cache: bool = True
    """Whether a component whose inputs are as in an earlier run is skipped and its former output taken."""

    @property
    def artifacts(self) -> Path:
        """Where the components' outputs go."""
        return self.root / self.name

    @property
    def metadata(self) -> Path:
        """The SQLite file of ML Metadata."""
        return self.root / "metadata.sqlite"


class DataConfig(Section):
    """Where the examples are: either `path`, which is split, or `train` and `eval`."""

    path: Path | None = None
    """A file of examples, of a form that the task reads (for one a folder); the hash of each says whether it is trained
    on or evaluated on. Examples on one text, such as questions on one context, stay together."""
    eval_fraction: Fraction = 0.2
    """The part of `path` that is evaluated on, to the nearest percent."""
    train: Path | None = None
    """A file of training examples, of a form that the task reads."""
    eval: Path | None = None
    """A file of evaluation examples."""
    columns: dict[str, str | int] = {}
    """Role -> the name, or the number from 1, of its column. A role left out takes the column named like it."""
    header: bool = True
    """Whether the first row of a CSV or TSV file holds the names of the columns."""
    quoted: bool | None = None
    """Whether fields of a CSV or TSV file may stand in double quotes; default: yes for CSV, no for TSV."""

    skip_bad_rows: bool = False
    """Whether rows with a defect, such as tags that do not fit each other, are left out and told, and do not stop the
    run before it starts."""
    anomalies: Literal["tell", "stop"] = "tell"
    """What to do about data that can be read but look wrong: tell it in the end, or refuse to train on them."""
    long_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """The share of texts longer than `model.max_length` that is no anomaly yet, where the task reads such texts through
    several windows."""

    @pydantic.model_validator(mode="after")
    def _one_way_of_splitting(self):
        if self.path and (self.train or self.eval):
            raise ValueError("`path` stands beside `train` or `eval`; expected `path` alone, or `train` and `eval`")
        if not self.path and not (self.train and self.eval):
            raise ValueError("there are no examples; expected `path`, or both `train` and `eval`")
        if not self.path and "eval_fraction" in self.model_fields_set:
            raise ValueError("`eval_fraction` splits `path`; with `train` and `eval` leave it out")
        if self.path and not 1 <= round(100 * self.eval_fraction) <= 99:
            raise ValueError(f"`eval_fraction` is {self.eval_fraction}; expected 0.01 to 0.99")
        return self

    @property
    def files(self) -> dict[str, Path]:
        """The data files by their key in the config."""
        return {key: path for key in ("path", "train", "eval") if (path := getattr(self, key))}


class TaskConfig(Section):
    """What the model learns."""

    name: str = "classification"
    """A task of `bert_keras.tasks`."""
    options: dict[str, Any] = {}
    """The task's own options, such as `problem: multiclass`; by default the training records decide."""


class ModelConfig(Section):
    """The model that training starts from."""

    preset: str
    """A preset's name, its directory or a Hugging Face directory; with `random_start` the name of a size."""
    max_length: Annotated[int, Field(ge=5, le=512)] | None = None
    """Tokens that the model reads at a time, special tokens included; default: the task's. What is beyond is cut off,
    or, where the task can do that, read through another window."""
    random_start: bool = False
    """Start from random weights instead of the preset's."""
    vocabulary: Path | None = None
    """The vocabulary file (one piece a line) of a size that starts at random."""


class TrainConfig(Section):
    """How it is trained."""

    epochs: Count = 3
    """Times that every training example is seen."""
    batch_size: Count = 32
    """Examples a step, over all replicas."""
    accumulate: Count = 1
    """Parts that each replica works through its share of a step in, one after the other: less memory, the same step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Highest learning rate; default: the task's recipe."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """The numbers that layers compute with; weights stay float32."""
    keep_best: bool = False
    """Whether the weights of the epoch with the least loss on the split eval are exported, not the last ones. What the
    Evaluator finds on that split then flatters."""
    strategy: Literal["auto", "none", "mirrored"] = "auto"
    """`mirrored` copies the model to every GPU of this machine; `auto` does that where there are GPUs."""
    seed: Seed = 0
    """The same seed on the same machine gives the same weights."""


class Threshold(Section):
    """What a metric must reach for the model to be pushed."""

    lower_bound: float | None = None
    """The least value that passes."""
    upper_bound: float | None = None
    """The greatest value that passes."""
    change: float | None = None
    """The least gain over the last blessed model, which may be negative: -0.01 allows the loss of a hundredth. For a
    metric that should fall, the greatest rise. Without a blessed model it is not looked at."""

    @pydantic.model_validator(mode="after")
    def _says_something(self):
        if not self.model_fields_set:
            raise ValueError("the threshold is empty; expected `lower_bound`, `upper_bound` or `change`")
        if self.lower_bound is not None and self.upper_bound is not None and self.lower_bound > self.upper_bound:
            raise ValueError(f"`lower_bound` {self.lower_bound} lies above `upper_bound` {self.upper_bound}")
        return self


class EvaluateConfig(Section):
    """When a model is good enough."""

    thresholds: dict[str, Threshold] = {}
    """Metric -> what it must reach; default: the task's main metric does not fall behind the last blessed model."""
    slices: list[str] | None = None
    """Features of the examples, or columns of a table; the metrics are reported for each of their values as well.
    Default: the task's, such as question_word. The thresholds hold for all rows together."""


class InfraValidationConfig(Section):
    """Whether a model server can use the model, which is tried before it is pushed."""

    enabled: bool = True
    """Whether it is tried: a server of this machine loads the exported model and answers examples."""
    examples: Annotated[int, Field(ge=0, le=1000)] = 3
    """Examples of the split eval that the server is asked, one at a time; 0: it only loads the model."""
    tries: Count = 2
    """Times that a server is started before the model counts as unfit. Another number tries a model anew that was found
    unfit before, as any change of this section does."""
    timeout_seconds: Count = 300
    """Seconds in which a server must have loaded the model and answered."""
    binary: Path | None = None
    """The tensorflow_model_server to try it with; default: the one on PATH, else this package's embedded server."""
    warmup: bool = False
    """Whether these examples become the pushed model's warm-up requests, for a server that is asked by serialized
    examples; default: the Trainer's, which are texts for `serving_default`."""

    @pydantic.model_validator(mode="after")
    def _warmup_has_requests(self):
        if self.warmup and not (self.enabled and self.examples):
            raise ValueError("`warmup` needs requests; expected `enabled: true` and `examples` of 1 or more beside it")
        return self


class PushConfig(Section):
    """Where a good model goes."""

    directory: Path | None = None
    """Versions are written below it as DIRECTORY/VERSION; default: ROOT/serving/NAME."""
    tokenizer_ops: Literal["tf-text", "core"] = "tf-text"
    """What the tokenizer inside the model is made of: `core` runs on servers without TensorFlow Text."""
    require_serving: Annotated[str, Field(pattern=r"^2\.(1[2-9]|20)$")] | None = None
    """A release of TensorFlow Serving, "2.12" to "2.20", that must have every op of the model; else the run fails."""


class PipelineConfig(RunConfig):
    """One pipeline: its data, its model, and its bar."""

    data: DataConfig
    task: TaskConfig = TaskConfig()
    model: ModelConfig
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    infra_validation: InfraValidationConfig = InfraValidationConfig()
    push: PushConfig = PushConfig()

    @property
    def push_directory(self) -> Path:
        """The base path that a model server watches."""
        return self.push.directory or self.root / "serving" / self.name


def resolve_paths(section: Section, folder: Path) -> Section:
    """The section with every relative path put below `folder`, which is absolute."""
    resolved = {key: _resolved(getattr(section, key), folder) for key in type(section).model_fields}
    # What is copied over counts as given by the user, which validators ask.
    changed = {key: value for key, value in resolved.items() if value is not getattr(section, key)}
    return section.model_copy(update=changed)


def _resolved(value, folder: Path):
    if isinstance(value, Section):
        return resolve_paths(value, folder)
    if isinstance(value, list):
        return [_resolved(item, folder) for item in value]
    return Path(os.path.normpath(folder / value.expanduser())) if isinstance(value, Path) else value
