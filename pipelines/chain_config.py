"""Pretraining and fine-tuning in one YAML file: `pretraining` in front of what a pipeline of a task has.

    name: reviews
    pretraining:
      corpus: {files: 'reviews/*.txt'}
      model: {preset: minilm_l6_uncased}
      phases:
        - {steps: 1000}
    data: {path: reviews.csv}

The task starts from the preset that pretraining has pushed, so `model` names none.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from bert_keras.yaml_config import Section
from pipelines.config import (
    DataConfig,
    EvaluateConfig,
    InfraValidationConfig,
    ModelConfig,
    PipelineConfig,
    PushConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
)
from pipelines.pretraining.config import PretrainingConfig, PretrainingPipelineConfig


class ChainedModelConfig(Section):
    """The model that is fine-tuned: the preset that pretraining has pushed."""

    max_length: Annotated[int, Field(ge=5, le=512)] | None = None
    """Tokens that the model reads at a time, special tokens included; default: the task's."""
    allow_former: bool = False
    """Whether to go on from the preset that was pushed last where the one that was just trained is not good enough."""


class ChainConfig(RunConfig):
    """Two pipelines, the second of which starts from what the first has pushed."""

    pretraining: PretrainingConfig
    data: DataConfig
    task: TaskConfig = TaskConfig()
    model: ChainedModelConfig = ChainedModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    infra_validation: InfraValidationConfig = InfraValidationConfig()
    push: PushConfig = PushConfig()

    @property
    def first(self) -> PretrainingPipelineConfig:
        """The pipeline that pretrains, NAME-pretraining."""
        return PretrainingPipelineConfig.model_construct(
            name=f"{self.name}-pretraining", root=self.root, cache=self.cache, pretraining=self.pretraining
        )

    def second(self, preset: str, random_start: bool = False, vocabulary: Path | None = None) -> PipelineConfig:
        """The pipeline of the task, NAME, which starts from a preset."""
        model = ModelConfig(
            preset=preset, max_length=self.model.max_length, random_start=random_start, vocabulary=vocabulary
        )
        names = ("data", "task", "train", "evaluate", "infra_validation", "push")
        of_task = {name: getattr(self, name) for name in names}
        return PipelineConfig(name=self.name, root=self.root, cache=self.cache, model=model, **of_task)
