"""The Kubernetes objects of a deployment."""

from typing import Any

import yaml

from serving.deploy.configuration import METRICS_PATH, config_files, flags
from serving.deploy.deployment import CONFIG_FOLDER, GRPC_PORT, MODELS_FOLDER, REST_PORT, TLS_FOLDER, Deployment

# Seconds: for load balancers to learn that a server goes, and for its requests to end.
_UNROUTED, _GRACE = 10, 60


def manifests(deployment: Deployment) -> list[dict[str, Any]]:
    """ConfigMap, PersistentVolumeClaim, Deployment, two Services, HorizontalPodAutoscaler, PodDisruptionBudget."""
    return [
        _config_map(deployment),
        _claim(deployment),
        _deployment(deployment),
        _service(deployment, headless=False),
        _service(deployment, headless=True),
        _autoscaler(deployment),
        _disruption_budget(deployment),
    ]


def to_yaml(objects: list[dict[str, Any]]) -> str:
    """One file of all of them, for `kubectl apply -f`."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""

    def ignore_aliases(self, data):
        return True


def _represent_text(dumper, text: str):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _labels(deployment: Deployment) -> dict[str, str]:
    return {"app.kubernetes.io/name": deployment.object_name, "app.kubernetes.io/component": "model-server"}


def _object(kind: str, version: str, name: str, deployment: Deployment, **content) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "labels": _labels(deployment)},
        **content,
    }


def _config_map(deployment: Deployment):
    name = f"{deployment.object_name}-config"
    return _object("ConfigMap", "v1", name, deployment, data=config_files(deployment))


def _claim(deployment: Deployment):
    """Room for some versions. Pusher, or a job that copies what it wrote, writes to it; the servers read."""
    size = deployment.folder.graph_bytes + deployment.folder.variable_bytes
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{max(1, -(-10 * size // 2**30))}Gi"}},
    }
    return _object("PersistentVolumeClaim", "v1", f"{deployment.object_name}-models", deployment, spec=spec)


def _deployment(deployment: Deployment):
    template = {
        "metadata": {
            "labels": _labels(deployment),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(REST_PORT),
                "prometheus.io/path": METRICS_PATH,
            },
        },
        "spec": _pod(deployment),
    }
    spec = {
        "selector": {"matchLabels": _labels(deployment)},
        # A server is taken away when another one answers in its place. How many there are is the autoscaler's.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return _object("Deployment", "apps/v1", deployment.object_name, deployment, spec=spec)


def _pod(deployment: Deployment):
    name = deployment.object_name
    volumes = [
        {"name": "config", "configMap": {"name": f"{name}-config"}},
        {"name": "models", "persistentVolumeClaim": {"claimName": f"{name}-models", "readOnly": True}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if deployment.tls:
        volumes.append({"name": "tls", "secret": {"secretName": f"{name}-tls", "defaultMode": 0o440}})
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _labels(deployment)},
            }
        ],
        "containers": [_container(deployment)],
        "volumes": volumes,
    }


def _container(deployment: Deployment):
    program = ["python", "-m", "serving.server"] if deployment.embedded else ["tensorflow_model_server"]
    mounts = [("config", CONFIG_FOLDER), ("models", MODELS_FOLDER)] + [("tls", TLS_FOLDER)] * deployment.tls
    # What is promised is the limit: a server that loses memory to its neighbours is killed in the middle of a swap.
    limits = {"cpu": str(deployment.cpus), "memory": f"{deployment.memory_mib}Mi"}
    return {
        "name": "model-server",
        "image": deployment.image,
        "command": program,
        "args": flags(deployment),
        "ports": [{"name": "grpc", "containerPort": GRPC_PORT}, {"name": "rest", "containerPort": REST_PORT}],
        "resources": {"requests": limits, "limits": limits},
        **_probes(deployment),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_UNROUTED)]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": n, "mountPath": path, "readOnly": True} for n, path in mounts]
        + [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _probes(deployment: Deployment):
    # The port opens when every model has been loaded and warmed up, which may take minutes.
    listens = {"tcpSocket": {"port": GRPC_PORT}}
    # The kubelet asks gRPC without TLS alone.
    path = f"/v1/models/{deployment.name}/metadata"
    answers = {"httpGet": {"path": path, "port": REST_PORT}} if deployment.tls else {"grpc": {"port": GRPC_PORT}}
    return {
        "startupProbe": {**listens, "periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {**answers, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
        # A server that is busy is no server to restart: only one that does not listen is.
        "livenessProbe": {**listens, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _service(deployment: Deployment, headless: bool):
    """The headless one is for gRPC clients that spread calls over all servers: through the other a channel sticks to
    one of them."""
    ports = [
        {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"},
        {"name": "rest", "port": REST_PORT, "targetPort": "rest"},
    ]
    if deployment.tls:
        del ports[0]["appProtocol"]
    spec: dict[str, Any] = {"selector": _labels(deployment), "ports": ports}
    if headless:
        spec = {"clusterIP": "None", **spec}
    name = deployment.object_name + "-headless" * headless
    return _object("Service", "v1", name, deployment, spec=spec)


def _autoscaler(deployment: Deployment):
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.object_name},
        "minReplicas": deployment.replicas,
        "maxReplicas": 3 * deployment.replicas,
        "metrics": [{"type": "Resource", "resource": metric}],
        # A server takes minutes to start: what was added is kept for a while.
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    }
    return _object("HorizontalPodAutoscaler", "autoscaling/v2", deployment.object_name, deployment, spec=spec)


def _disruption_budget(deployment: Deployment):
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(deployment)}}
    return _object("PodDisruptionBudget", "policy/v1", deployment.object_name, deployment, spec=spec)
