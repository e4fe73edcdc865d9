"""The wiring: which component reads what of which other."""

from tfx import v1 as tfx
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration import metadata
from tfx.types import Channel

from pipelines.config import PipelineConfig
from pipelines.evaluation import eval_config
from pipelines.example_gen import RecordExampleGen
from pipelines.infra_validator import make_infra_validator
from pipelines.prepare import Prepared
from pipelines.pretraining.config import PretrainingPipelineConfig
from pipelines.schema import TaskSchemaGen

BEAM_ARGS = (
    "--runner=DirectRunner",
    # The default of Beam's newest releases starts a local portable runner, which TFX's executors do not survive.
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    # No image is used. With any such flag TFX believes that workers have TFX; without one it packs itself into an
    # archive for each component.
    "--sdk_container_image=none",
)


def make_pipeline(config: PipelineConfig, prepared: Prepared) -> tfx.dsl.Pipeline:
    """The pipeline of a config whose inputs were looked at by `prepare`."""
    data, recipe = config.data, prepared.recipe
    examples = RecordExampleGen(data, recipe["task"], recipe["targets"], prepared.columns, prepared.of_files).with_id(
        "ExampleGen"
    )
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = TaskSchemaGen(statistics.outputs["statistics"], prepared.layout).with_id("SchemaGen")
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="pipelines.transform.preprocessing_fn",
        custom_config={"recipe": recipe},
        # Statistics of token ids say little and take longer than the rest of the component.
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    trainer = tfx.components.Trainer(
        run_fn="pipelines.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "recipe": recipe,
            "train": config.train.model_dump(mode="json"),
            "export": config.push.model_dump(mode="json", include={"tokenizer_ops", "require_serving"}),
        },
    )
    baseline = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LastBlessedModel")
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=eval_config(prepared.eval_spec, config.evaluate, prepared.slices),
    )
    components = [examples, statistics, schema, validator, transform, trainer, baseline, evaluator]
    pushed = {"model": trainer.outputs["model"], "model_blessing": evaluator.outputs["blessing"]}
    if config.infra_validation.enabled:
        infra = make_infra_validator(config.infra_validation, trainer.outputs["model"], examples.outputs["examples"])
        # A model that is not good enough is told first.
        infra.add_upstream_node(evaluator)
        components.append(infra)
        pushed["infra_blessing"] = infra.outputs["blessing"]
        if config.infra_validation.warmup:
            # The blessing holds a copy of the model with other warm-up requests; beside a model Pusher leaves it alone.
            pushed["model"] = None
    pusher = tfx.components.Pusher(
        **pushed,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(config.push_directory))
        ),
    )
    return assembled(config, [*components, pusher])


def assembled(config: PipelineConfig | PretrainingPipelineConfig, components: list) -> tfx.dsl.Pipeline:
    """The components as a pipeline that runs on this machine and keeps its metadata in SQLite."""
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(config.artifacts),
        components=components,
        enable_cache=config.cache,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(config.metadata)),
        beam_pipeline_args=list(BEAM_ARGS),
    )
