"""The container's file and the Kubernetes manifests: linted, and held against the configuration they carry."""

import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seriatim_config import read_config
from serving.config import ServiceConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "configs" / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile.serving"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.stem not in ("service", "kustomization")]
BIN = Path(sys.executable).parent
# What a worker group takes to end beyond the grace of its calls.
SLACK_SECONDS = 5


def lint(tool, *arguments):
    if not (BIN / tool).exists():
        pytest.skip(f"{tool} is not here")
    finished = subprocess.run([BIN / tool, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def objects():
    return [part for path in MANIFESTS for part in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def of_kind(kind):
    [found] = [part for part in objects() if part["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def config():
    return read_config(KUBERNETES / "service.yaml", ServiceConfig)


@pytest.fixture(scope="module")
def pod():
    return of_kind("Deployment")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    [only] = pod["containers"]
    return only


def test_the_container_s_file_is_clean():
    lint("hadolint", DOCKERFILE)


def test_the_manifests_are_clean_yaml():
    rules = (
        "{extends: default, rules: {line-length: {max: 120}, braces: {max-spaces-inside: 1}, document-start: disable}}"
    )
    lint("yamllint", "--strict", "--config-data", rules, KUBERNETES)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_manifests_are_what_kubernetes_reads(path):
    lint("kubernetes-validate", "--strict", path)


def test_a_linter_finds_what_is_wrong(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MANIFESTS[0].read_text(encoding="utf-8").replace("replicas: 3", "replicas: many"))
    with pytest.raises(AssertionError, match="many"):
        lint("kubernetes-validate", "--strict", wrong)


def test_every_file_says_that_it_was_not_tried():
    for path in (DOCKERFILE, *MANIFESTS, KUBERNETES / "service.yaml"):
        assert "by our tests" in "".join(path.read_text(encoding="utf-8").splitlines()[:2]), path


def test_the_kustomization_has_all_of_them():
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    assert sorted(listed["resources"]) == [path.name for path in MANIFESTS]
    assert listed["configMapGenerator"][0]["files"] == ["service.yaml"]


def test_ports_are_the_configuration_s_everywhere(config, container):
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": config.listen.port, "http": config.monitoring.port}
    service = of_kind("Service")["spec"]["ports"]
    assert {port["targetPort"]: port["port"] for port in service} == ports
    ingress = of_kind("NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for rule in ingress for port in rule["ports"]} == set(ports.values())
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
    exposed = next(line for line in instructions() if line.startswith("EXPOSE "))
    assert exposed.split()[1:] == [str(port) for port in ports.values()]


def test_what_is_written_is_writable_and_all_else_is_mounted(config, container):
    mounts = {Path(mount["mountPath"]): not mount.get("readOnly", False) for mount in container["volumeMounts"]}

    def writable(path):
        return next(mounts[folder] for folder in (path, *path.parents) if folder in mounts)

    assert writable(config.models.root)
    assert writable(config.events.folder)
    assert mounts[Path("/tmp")]
    for path in (config.listen.tls_certificate, config.listen.tls_key, config.listen.tokens):
        assert not writable(path)
    assert not mounts[Path(container["args"][-1])]


def test_nobody_is_root_and_nothing_of_the_image_can_be_changed(pod, container):
    user = next(line for line in instructions() if line.startswith("USER ")).split()[1]
    assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" != "0:0"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not pod["automountServiceAccountToken"]


def test_calls_in_flight_have_the_time_they_are_promised(config, pod, container):
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before + config.listen.grace_seconds + SLACK_SECONDS


def test_there_is_a_core_a_worker(config, container):
    assert int(container["resources"]["requests"]["cpu"]) == config.listen.workers


def test_the_container_copies_what_there_is_and_what_it_is_sent():
    ignored = (DEPLOY / "Dockerfile.serving.dockerignore").read_text(encoding="utf-8").split()
    sent = [pattern[1:] for pattern in ignored if pattern.startswith("!")]
    for line in instructions():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch.fnmatch(source, pattern) for pattern in sent), source


def test_the_container_has_all_that_the_build_of_the_package_asks_for():
    words = {word for line in instructions() if line.startswith(("COPY ", "RUN mkdir ")) for word in line.split()}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert set(wheel["wheel"]["only-include"]) <= words


def instructions():
    """The container's file, a line an instruction, without comments."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()
