"""What is deployed: a model's folder of versions, and the machine that is to serve it."""

import dataclasses
import math
import os
import re
from pathlib import Path

from serving.deploy import BadDeployment
from serving.server import versions

# The newest image whose API is that of the pip packages of this project's locks.
GENUINE_IMAGE = "tensorflow/serving:2.19.0"
EMBEDDED_IMAGE = "bert-keras-server:1"
GRPC_PORT, REST_PORT = 8500, 8501
# Where the container finds the files that `configuration` writes, and the models.
CONFIG_FOLDER, TLS_FOLDER, MODELS_FOLDER = "/etc/serving", "/etc/serving-tls", "/models"

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
# A Kubernetes name has 63 characters at most; ours have a suffix.
_LONGEST_NAME = 50


@dataclasses.dataclass(frozen=True)
class ModelFolder:
    """A folder of versions, as far as a deployment depends on it.

    Attributes:
        base: its path.
        newest: path of the newest version.
        graph_bytes: size of the graph, with frozen weights in it.
        variable_bytes: size of the weights beside it.
        has_warmup: whether it brings warm-up requests.
    """

    base: Path
    newest: Path
    graph_bytes: int
    variable_bytes: int
    has_warmup: bool

    @property
    def memory_mib(self) -> int:
        """MiB that a server should be given, an estimate from what was measured with BERT.

        Constants take fifteen times their bytes while a session starts and twice while it answers; during a swap the
        former version answers beside it. Variables are held once for each version, and once more while they are read.
        TensorFlow itself takes most of a GiB.
        """
        needed = 2**30 + 17 * self.graph_bytes + 4 * self.variable_bytes
        return 256 * math.ceil(needed / 2**20 / 256)


def look_at(base: str | os.PathLike) -> ModelFolder:
    """A folder of versions. Raises BadDeployment where there is none."""
    base = Path(base).resolve()
    found = versions.scan(str(base)) if base.is_dir() else {}
    whole = {number: Path(path) for number, path in found.items() if Path(path, "saved_model.pb").is_file()}
    if not whole:
        raise BadDeployment(f"{base} holds no model version: expected {base.name}/1/saved_model.pb; export one first")
    newest = whole[max(whole)]
    return ModelFolder(
        base,
        newest,
        graph_bytes=(newest / "saved_model.pb").stat().st_size,
        variable_bytes=sum(path.stat().st_size for path in (newest / "variables").glob("variables.*")),
        has_warmup=(newest / WARMUP_FILE).is_file(),
    )


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A model, the server that serves it, and what that may use.

    Attributes:
        name: what clients call the model.
        folder: its versions.
        embedded: whether this package's server serves it, and not TensorFlow Serving.
        image: container image of the server, with a tag or digest.
        replicas: servers that run at any time; as many as three times that under load.
        cpus: cores of each.
        memory_mib: memory of each.
        batching: whether requests are put together.
        tls: whether gRPC is encrypted.
    """

    name: str
    folder: ModelFolder
    embedded: bool
    image: str
    replicas: int
    cpus: int
    memory_mib: int
    batching: bool
    tls: bool

    @property
    def object_name(self) -> str:
        """The name of the Kubernetes objects."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def max_batch_size(self) -> int:
        """Rows that are put together at most."""
        return 32


def make_deployment(
    base: str | os.PathLike,
    name: str | None = None,
    embedded: bool = False,
    image: str | None = None,
    replicas: int = 2,
    cpus: int = 4,
    memory_mib: int | None = None,
    batching: bool = False,
    tls: bool = False,
) -> Deployment:
    """A deployment of the versions below `base`, with defaults for what is None. Raises BadDeployment."""
    folder = look_at(base)
    name = name or folder.base.name
    image = image or (EMBEDDED_IMAGE if embedded else GENUINE_IMAGE)
    made = Deployment(
        name, folder, embedded, image, replicas, cpus, memory_mib or folder.memory_mib, batching=batching, tls=tls
    )
    if not made.object_name or len(made.object_name) > _LONGEST_NAME or "/" in name:
        raise BadDeployment(
            f"the model's name {name!r} makes no name of a Kubernetes object; expected letters and digits, "
            f"{_LONGEST_NAME} at most: give another one"
        )
    tag = image.rpartition("/")[2].partition("@" if "@" in image else ":")[2]
    if tag in ("", "latest", "nightly"):
        raise BadDeployment(
            f"the image {image!r} names no fixed version; expected a tag or digest, as in {GENUINE_IMAGE}"
        )
    return made
