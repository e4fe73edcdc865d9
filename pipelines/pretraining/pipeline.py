"""The wiring: which component reads what of which other."""

import dataclasses
import json
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.types import Channel

from pipelines.pipeline import assembled
from pipelines.pretraining.config import PretrainingPipelineConfig
from pipelines.pretraining.evaluator import HeldOutEvaluator
from pipelines.pretraining.example_gen import LAYOUT, CorpusExampleGen
from pipelines.pretraining.masking import Masking
from pipelines.pretraining.prepare import Prepared
from pipelines.pretraining.pusher import PresetPusher
from pipelines.pretraining.validator import CorpusValidator
from pipelines.schema import TaskSchemaGen


def make_pipeline(config: PretrainingPipelineConfig, prepared: Prepared) -> tfx.dsl.Pipeline:
    """The pipeline of a config whose inputs were looked at by `prepare`."""
    pretraining = config.pretraining
    examples = CorpusExampleGen(source=_json(prepared.source)).with_id("ExampleGen")
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    layout = {name: dataclasses.asdict(feature) for name, feature in LAYOUT.items()}
    schema = TaskSchemaGen(statistics.outputs["statistics"], layout).with_id("SchemaGen")
    validator = CorpusValidator(
        statistics.outputs["statistics"],
        schema.outputs["schema"],
        {"objective": pretraining.rows.objective, "unknown_share": pretraining.corpus.unknown_share},
    ).with_id("ExampleValidator")
    masking = Masking(examples=examples.outputs["examples"], settings=_json(prepared.masking))
    # It reads nothing of it, but text that may be refused is not worth masking.
    masking.add_upstream_node(validator)
    trainer = tfx.components.Trainer(
        run_fn="pipelines.pretraining.trainer.run_fn",
        examples=masking.outputs["rows"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=prepared.training,
    )
    baseline = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LastBlessedModel")
    evaluator = HeldOutEvaluator(
        model=trainer.outputs["model"],
        rows=masking.outputs["rows"],
        baseline_model=baseline.outputs["model"],
        settings=_json(pretraining.evaluate.model_dump(mode="json")),
    ).with_id("Evaluator")
    pusher = PresetPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(config.push_directory))
        ),
    ).with_id("Pusher")
    return assembled(config, [examples, statistics, schema, validator, masking, trainer, baseline, evaluator, pusher])


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
