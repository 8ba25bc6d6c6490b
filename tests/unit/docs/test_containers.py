"""deploy/docker and deploy/kubernetes: valid, one with another, and true to what jqd needs and reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from jqjobs.base.config import Environment
from jqjobs.cli.jqd import OPTIONS, read_settings, variable_of
from jqjobs.cli.web import web
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.web.api.paths import ROUTES

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text()
MANIFESTS = {
    (path.stem, found["kind"]): found
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text())
}
WORKER, DASHBOARD = MANIFESTS["worker", "Deployment"], MANIFESTS["dashboard", "Deployment"]
SCALED = MANIFESTS["scaledobject", "ScaledObject"]
KNOWN = {f"JQ_{variable_of(setting).upper()}" for setting in OPTIONS} | {"JQ_REDIS_URL"}
#: What jqd needs after the last worker is gone.
AFTERWARDS_S = 5


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def variables(deployment: dict[str, Any]) -> dict[str, str]:
    """The environment of its one container; what comes from a secret is left out."""
    [container] = pod(deployment)["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def settings_of(environ: dict[str, str], tmp_path: Path) -> DaemonSettings:
    return read_settings({}, Environment({"JQ_APP": "shop.app:app", **environ}, tmp_path))


@pytest.mark.parametrize("kind", MANIFESTS, ids="-".join)
def test_a_manifest_is_one(kind: tuple[str, str]) -> None:
    if MANIFESTS[kind]["apiVersion"].startswith("keda.sh/"):
        assert MANIFESTS[kind]["spec"], "there is no schema of KEDA to be had offline; see the test below"
    else:
        kubernetes_validate.validate(MANIFESTS[kind], kubernetes_validate.latest_version(), strict=True)


def test_no_image_has_a_secret_in_it() -> None:
    assert "COPY . .\n" in DOCKERFILE
    left_out = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    secrets = [Path(secret["file"]).name for secret in COMPOSE["secrets"].values()]
    assert {".env", ".jqjobs", ".git", *secrets} <= set(left_out)


def test_what_compose_names_is_there_and_who_is_waited_for_has_a_health_check() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        waited_for = service.get("depends_on", {})
        assert all("healthcheck" in services[other] for other in waited_for)
        assert {word.partition(":")[0] for word in service.get("volumes", ())} <= COMPOSE["volumes"].keys()
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    assert (DEPLOY / "docker" / services["jqd"]["build"]["context"]).resolve() == DEPLOY.parent
    assert (DEPLOY.parent / services["jqd"]["build"]["dockerfile"]).exists()


def test_compose_gives_the_dashboard_the_file_that_it_reads() -> None:
    dashboard = COMPOSE["services"]["dashboard"]
    [secret] = dashboard["secrets"]
    words = dashboard["command"]
    assert words[words.index("--auth-file") + 1] == f"/run/secrets/{secret}"
    listens = words[words.index("--listen") + 1]
    assert dashboard["ports"] == [f"127.0.0.1{listens}{listens}"]


def test_kubernetes_waits_longer_than_a_drain_takes(tmp_path: Path) -> None:
    settings = settings_of(variables(WORKER), tmp_path)
    assert variables(WORKER).keys() - {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"} <= KNOWN
    wait_s = pod(WORKER)["terminationGracePeriodSeconds"]
    assert wait_s == settings.grace_s + settings.kill_after_s + AFTERWARDS_S


def test_compose_waits_longer_than_a_drain_takes_for_each_of_two_daemons(tmp_path: Path) -> None:
    jqd = COMPOSE["services"]["jqd"]
    assert jqd["environment"].keys() <= KNOWN
    settings = settings_of(jqd["environment"], tmp_path)
    assert int(jqd["stop_grace_period"].rstrip("s")) == settings.grace_s + settings.kill_after_s + AFTERWARDS_S
    assert jqd["deploy"]["replicas"] == 2
    assert settings.processes.most == 2


def test_probes_ask_what_jqd_answers(tmp_path: Path) -> None:
    [container] = pod(WORKER)["containers"]
    settings = settings_of(variables(WORKER), tmp_path)
    assert settings.health == f":{container['ports'][0]['containerPort']}"
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert f"127.0.0.1{settings.health}/livez" in DOCKERFILE
    assert f"JQ_HEALTH={settings.health}" in DOCKERFILE


@pytest.mark.parametrize("deployment", [WORKER, DASHBOARD], ids=["worker", "dashboard"])
def test_nobody_is_root_or_writes_to_the_image(deployment: dict[str, Any]) -> None:
    [container] = pod(deployment)["containers"]
    assert pod(deployment)["securityContext"]["runAsNonRoot"] is True
    assert pod(deployment)["automountServiceAccountToken"] is False
    uid = pod(deployment)["securityContext"]["runAsUser"]
    assert f"USER {uid}\n" in DOCKERFILE
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_boards_lie_in_memory() -> None:
    [container] = pod(WORKER)["containers"]
    [boards] = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    [volume] = [volume for volume in pod(WORKER)["volumes"] if volume["name"] == boards]
    assert volume["emptyDir"]["medium"] == "Memory"


def test_jqd_itself_is_pid_1() -> None:
    assert re.findall(r"^(?:CMD|ENTRYPOINT) .*", DOCKERFILE, re.MULTILINE) == ['CMD ["jqd"]']
    assert pod(WORKER)["containers"][0]["command"] == ["jqd"]
    assert "command" not in COMPOSE["services"]["jqd"]
    assert not COMPOSE["services"]["jqd"].get("init")


def test_the_budget_and_keda_speak_of_the_workers() -> None:
    labels = WORKER["spec"]["template"]["metadata"]["labels"]
    assert WORKER["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["worker", "PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert SCALED["spec"]["scaleTargetRef"]["name"] == WORKER["metadata"]["name"]


def test_keda_asks_the_dashboard_for_what_it_tells(tmp_path: Path) -> None:

    [trigger] = SCALED["spec"]["triggers"]
    asked = trigger["metadata"]
    service = MANIFESTS["dashboard", "Service"]
    host = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    url, _, query = asked["url"].partition("?")
    assert url.removeprefix(host) in {route.pattern for route in ROUTES}
    said = dict(pair.split("=") for pair in query.split("&"))
    processes = settings_of(variables(WORKER), tmp_path).processes.most
    assert (asked["valueLocation"], asked["targetValue"]) == ("wanted", str(processes))
    assert int(said["max"]) == SCALED["spec"]["maxReplicaCount"] * processes
    secret = MANIFESTS["scaledobject", "TriggerAuthentication"]
    assert trigger["authenticationRef"]["name"] == secret["metadata"]["name"]
    assert [each["parameter"] for each in secret["spec"]["secretTargetRef"]] == ["token"]


@pytest.mark.parametrize(
    "words", [pod(DASHBOARD)["containers"][0]["command"], COMPOSE["services"]["dashboard"]["command"]]
)
def test_the_dashboard_is_started_with_options_that_there_are(words: list[str]) -> None:

    program, command, *rest = words
    assert (program, command) == ("jqctl", "web")
    web.make_context("web", list(rest))


def test_valkey_keeps_what_it_acknowledged() -> None:
    words = COMPOSE["services"]["valkey"]["command"]
    assert dict(zip(words[1::2], words[2::2], strict=True)) == {
        "--appendonly": "yes",
        "--maxmemory-policy": "noeviction",
        "--hash-max-listpack-value": "512",
    }
