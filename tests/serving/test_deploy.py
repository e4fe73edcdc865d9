"""`bert-keras deploy`: files that servers, Kubernetes and Docker take."""

import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from serving.deploy import BadDeployment, configuration, kubernetes
from serving.deploy.deployment import make_deployment
from serving.server import batching_parameters, config, flags, text_files
from serving.server.config import ModelSettings
from serving.server.messages import MonitoringConfig, SSLConfig
from tests.bert_keras.cli.tiny import run

DEPLOY = Path(__file__).resolve().parents[2] / "serving" / "deploy"
KINDS = [
    "ConfigMap",
    "PersistentVolumeClaim",
    "Deployment",
    "Service",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
]
VARIANTS = [
    {"embedded": embedded, "batching": batching, "tls": tls}
    for embedded, batching, tls in itertools.product((False, True), repeat=3)
]


@pytest.fixture
def base(tmp_path):
    """A folder of versions 2 and 10, the newer one with a graph of 100 MiB; nothing of it is read but sizes."""
    for number in (2, 10):
        (tmp_path / "Film_reviews" / str(number)).mkdir(parents=True)
        (tmp_path / "Film_reviews" / str(number) / "saved_model.pb").write_bytes(b"")
    with open(tmp_path / "Film_reviews" / "10" / "saved_model.pb", "wb") as file:
        file.truncate(100 * 2**20)
    return tmp_path / "Film_reviews"


@pytest.fixture
def written(base, tmp_path, pem_folder):
    """The files of a deployment with everything, and what the command said."""
    certificate, key = pem_folder / "server.crt", pem_folder / "server.key"
    outcome = run(
        *("deploy", base, "--out", tmp_path / "out", "--batching", "--replicas", 3, "--cpus", 2),
        *("--tls-cert", certificate, "--tls-key", key, "--client-ca", pem_folder / "ca.crt"),
    )
    assert outcome.code == 0, outcome.stderr
    return tmp_path / "out", outcome.stdout


@pytest.fixture
def checks():
    """Folder of the programs that check deployment files."""
    from tests.conftest import python_of

    return python_of(".venv-deploy-checks", "make deploy-checks").parent


def objects(deployment):
    """By kind; of the services the headless one is Service-headless."""
    made = kubernetes.manifests(deployment)
    assert [one["kind"] for one in made] == KINDS
    return {one["kind"] + "-headless" * one["metadata"]["name"].endswith("-headless"): one for one in made}


def container_of(deployment):
    (container,) = objects(deployment)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


# === What servers read ===


def test_a_server_reads_the_files_as_they_were_meant(written, pems):
    out, _ = written
    assert config.from_file(str(out / "models.config")) == [
        ModelSettings("Film_reviews", "/models/Film_reviews", latest=1)
    ]
    _, queue = batching_parameters.read(str(out / "batching.config"))
    assert (queue.max_batch_size, queue.batch_timeout_micros, queue.max_enqueued_batches) == (32, 2000, 100)
    monitoring = text_files.read(str(out / "monitoring.config"), MonitoringConfig())
    assert monitoring.prometheus_config.enable
    tls = text_files.read(str(out / "ssl.config"), SSLConfig())
    assert (tls.server_key, tls.server_cert) == (pems["server.key"], pems["server.crt"])
    assert (tls.custom_ca, tls.client_verify) == (pems["ca.crt"], True)


def test_the_private_key_is_nobody_elses_to_read_and_in_no_other_file(written, pems):
    out, _ = written
    assert (out / "ssl.config").stat().st_mode & 0o777 == 0o600
    secret = pems["server.key"].splitlines()[1]
    assert [path.name for path in out.iterdir() if secret in path.read_text()] == ["ssl.config"]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_every_flag_is_one_that_a_server_knows_and_every_file_is_mounted(base, variant):
    deployment = make_deployment(base, **variant)
    container = container_of(deployment)
    parsed = flags.parse(container["args"])
    assert (parsed.unknown, parsed.notes) == ([], [])
    flags.check(parsed.flags)
    folders = {mount["mountPath"] for mount in container["volumeMounts"]}
    files = {Path(value) for value in re.findall(r"=(/\S+)", " ".join(container["args"]))}
    assert {str(path.parent) for path in files} == folders - {"/models", "/tmp"}
    given = set(configuration.config_files(deployment)) | ({"ssl.config"} if variant["tls"] else set())
    assert {path.name for path in files} == given


def test_threads_are_those_of_the_cores_that_it_has_and_fill_two_batches(base):
    def given(**options):
        parsed = flags.parse(configuration.flags(make_deployment(base, **options))).flags
        return parsed.tensorflow_intra_op_parallelism, parsed.grpc_max_threads, parsed.rest_api_num_threads

    assert given(cpus=3) == (3, 12, 12)
    assert given(cpus=3, batching=True) == (3, 64, 64)
    assert given(cpus=40, batching=True) == (40, 160, 160)


def test_two_batches_run_beside_each_other_from_three_cores_on(base, tmp_path):
    def batches_at_a_time(cpus):
        path = tmp_path / "batching.config"
        path.write_text(configuration.batching_config(make_deployment(base, cpus=cpus, batching=True)))
        return batching_parameters.read(str(path))[0].num_batch_threads

    assert [batches_at_a_time(cpus) for cpus in (1, 2, 3, 16)] == [1, 1, 2, 2]


# === What Kubernetes and Docker take ===


@pytest.mark.slow
def test_kubernetes_takes_every_variant(base, checks, tmp_path):
    """Strictly: a key that the schema does not know is an error."""
    paths = []
    for number, variant in enumerate(VARIANTS):
        path = tmp_path / f"{number}.yaml"
        path.write_text(kubernetes.to_yaml(kubernetes.manifests(make_deployment(base, **variant))))
        assert [one["kind"] for one in yaml.safe_load_all(path.read_text())] == KINDS
        paths.append(path)
    for version in ("1.27.0", "1.34.0"):
        done = validate(checks, *paths, version=version)
        assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text(paths[0].read_text().replace("failureThreshold: 120", "failureTreshold: 120"))
    assert validate(checks, broken, version="1.34.0").returncode != 0


def validate(checks, *paths, version):
    argv = [checks / "kubernetes-validate", "--strict", "-k", version, *paths]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def test_the_linter_of_dockerfiles_finds_nothing(written, checks):
    out, _ = written
    argv = [checks / "hadolint", out / "Dockerfile", DEPLOY / "embedded.Dockerfile"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_there_and_runs_what_kubernetes_runs(written):
    out, _ = written
    text = (out / "Dockerfile").read_text()
    copied = re.search(r"^COPY (.*) /etc/serving/$", text, re.MULTILINE)[1].split()
    assert all((out / name).is_file() for name in copied) and "ssl.config" not in copied
    (container,) = [
        one["spec"]["template"]["spec"]["containers"][0]
        for one in yaml.safe_load_all((out / "kubernetes.yaml").read_text())
        if one["kind"] == "Deployment"
    ]
    entry_point = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])
    assert entry_point == container["command"] + container["args"]
    assert re.search(r"^FROM (.*)$", text, re.MULTILINE)[1] == container["image"] == "tensorflow/serving:2.19.0"


def test_the_objects_find_each_other(base):
    found = objects(make_deployment(base, tls=True))
    names = {kind: one["metadata"]["name"] for kind, one in found.items()}
    pods = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [found[kind]["spec"]["selector"] for kind in ("Service", "Service-headless")]
    selectors += [found[kind]["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert all(selector == pods for selector in selectors)
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == names["Deployment"]
    volumes = {one["name"]: one for one in found["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == names["ConfigMap"]
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == names["PersistentVolumeClaim"]
    assert volumes["tls"]["secret"]["secretName"] == "film-reviews-tls"
    assert found["Service-headless"]["spec"]["clusterIP"] == "None"


def test_a_probe_of_grpc_is_of_plain_grpc_which_is_all_that_kubernetes_can_ask(base):
    assert "grpc" in container_of(make_deployment(base))["readinessProbe"]
    assert container_of(make_deployment(base, tls=True))["readinessProbe"]["httpGet"] == {
        "path": "/v1/models/Film_reviews/metadata",
        "port": 8501,
    }


# === What is chosen by the model ===


def test_memory_is_for_a_start_beside_the_version_that_answers(base):
    # 1 GiB, 17 times the 100 MiB of constants and 4 times the 1000 of variables, rounded up to steps of 256.
    assert make_deployment(base).memory_mib == 2816
    (base / "10" / "variables").mkdir()
    with open(base / "10" / "variables" / "variables.data-00000-of-00001", "wb") as file:
        file.truncate(1000 * 2**20)
    assert make_deployment(base).memory_mib == 6912
    assert container_of(make_deployment(base, memory_mib=512))["resources"]["limits"] == {"cpu": "4", "memory": "512Mi"}


def test_the_command_says_what_was_written_and_what_is_missing(written):
    out, said = written
    assert said.splitlines() == [
        f"{out}: models.config, monitoring.config, batching.config, Dockerfile, kubernetes.yaml, ssl.config",
        "3 servers of 2 cores and 2816 MiB",
        "ssl.config holds the private key: kubectl create secret generic film-reviews-tls "
        f"--from-file=ssl.config={out}/ssl.config",
        f"{out.parent}/Film_reviews/10 has no warm-up requests: the first answers will be slow; see --warm-up",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "there is nothing to do; expected --out DIR, --warm-up FILE or both"),
        (["--out", "out", "--image", "tensorflow/serving"], "names no fixed version; expected a tag or digest"),
        (["--out", "out", "--image", "tensorflow/serving:latest"], "names no fixed version"),
        (["--out", "out", "--image", "host:5000/serving"], "names no fixed version"),
        (["--out", "out", "--name", "///"], "makes no name of a Kubernetes object"),
        (["--out", "out", "--tls-key", "a.pem"], "expected both --tls-cert and --tls-key"),
        (["--out", "out", "--tls-key", "a.pem", "--tls-cert", "a.pem"], "a.pem: it cannot be read"),
        (["--out", "out", "--replicas", "0"], "--replicas"),
    ],
)
def test_what_cannot_be_deployed_is_told_in_one_line(base, options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run("deploy", base, *options)
    assert outcome.code == 2 and expected in outcome.stderr and outcome.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_files_that_were_written_before_are_left_alone(written, base):
    out, _ = written
    outcome = run("deploy", base, "--out", out)
    assert outcome.code == 2 and "choose another name or empty it" in outcome.stderr


def test_a_folder_without_a_version_is_told(tmp_path):
    with pytest.raises(BadDeployment, match="holds no model version: expected .*/1/saved_model.pb; export one first"):
        make_deployment(tmp_path)


# === Warm-up ===


@pytest.fixture
def model(sentiment_path, tmp_path):
    """A copy of a model that takes text."""
    import shutil

    return Path(shutil.copytree(sentiment_path, tmp_path / "sentiment"))


def test_texts_become_requests_that_a_server_replays(model, tmp_path, start_server, settings_of):
    (tmp_path / "texts.txt").write_text("a good day\n\nso schön 😀\n", encoding="utf-8")
    outcome = run("deploy", model, "--warm-up", tmp_path / "texts.txt")
    assert (outcome.code, outcome.stdout) == (0, f"{model / '1'}: 2 warm-up requests\n")
    assert [texts for texts in warmup_inputs(model)] == [{"text": "a good day"}, {"text": "so schön 😀"}]
    # A request that fails would keep the model from being served.
    start_server(settings_of("sentiment", model))


def test_a_later_file_takes_the_place_of_the_earlier_one(model, tmp_path):
    (tmp_path / "texts.txt").write_text("one\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "two"}\n')
    for name in ("texts.txt", "rows.jsonl"):
        assert run("deploy", model, "--warm-up", tmp_path / name).code == 0
    assert warmup_inputs(model) == [{"text": "two"}]
    assert sorted(path.name for path in (model / "1/assets.extra").iterdir()) == ["tf_serving_warmup_requests"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "\n", "there are 0 rows; expected 1 to 1000"),
        ("a.txt", "x\n" * 1001, "there are 1001 rows; expected 1 to 1000"),
        ("a.jsonl", '{"text": "x"}\n{"texts": "x"}\n', "a.jsonl, row 2: the keys are texts; expected text"),
        ("a.jsonl", "x\n", "a.jsonl, row 1: it is no JSON"),
        ("a.jsonl", '{"text": 3}\n', "row 1: expected an object of texts"),
    ],
)
def test_rows_that_do_not_fit_are_told_and_nothing_is_written(model, tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    outcome = run("deploy", model, "--warm-up", tmp_path / name)
    assert outcome.code == 2 and expected in outcome.stderr
    assert not (model / "1/assets.extra").exists()


def test_a_model_of_numbers_takes_no_texts(zoo_path, tmp_path):
    (tmp_path / "texts.txt").write_text("x\n")
    outcome = run("deploy", zoo_path, "--warm-up", tmp_path / "texts.txt")
    assert outcome.code == 2 and "the input 'x' of 'serving_default' takes no text" in outcome.stderr


def warmup_inputs(model):
    import tensorflow as tf

    from serving import tensors
    from serving.protos import prediction_log_pb2

    found = []
    for record in tf.data.TFRecordDataset(str(model / "1/assets.extra/tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}
        assert all(array.shape == (1,) for array in inputs.values())
        found.append({name: array[0].decode() for name, array in inputs.items()})
    return found
