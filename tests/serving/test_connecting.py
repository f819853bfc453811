"""The commands' options for encrypted connections and tokens, against a real service."""

import pytest
from click.testing import CliRunner

from serving.commands.models import models
from serving.commands.rank import rank
from serving.config import ServiceConfig
from serving.security.tokens import new_token
from tests.serving.credentials import certified, entry, written
from tests.serving.running import RunningService


@pytest.fixture(scope="module")
def secured(bundle, tmp_path_factory):
    """A service with mutual TLS and tokens; options that open it, by name."""
    folder = tmp_path_factory.mktemp("secured")
    *authority, issuer = certified(folder, "authority")
    certificate, key = certified(folder, "server", issuer)[:2]
    shown, shown_key = certified(folder, "client", issuer)[:2]
    options = {"--ca": authority[0], "--certificate": shown, "--key": shown_key}
    for role in ("caller", "admin"):
        token = new_token()
        options[role] = folder / role
        options[role].write_text(f"{token}\n", encoding="ascii")
        options[f"{role} entry"] = entry(token, role, role)
    tokens = written(folder / "tokens.yaml", options["caller entry"], options["admin entry"])
    listen = {
        "port": 0, "tls_certificate": certificate, "tls_key": key, "client_ca": authority[0], "tokens": tokens,
    }  # fmt: skip
    running = RunningService(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": listen}))
    yield running, options
    running.stop()


def run(command, secured, *arguments, role=None, without=()):
    running, options = secured
    given = [
        part for name in ("--ca", "--certificate", "--key") if name not in without for part in (name, options[name])
    ]
    if role is not None:
        given += ["--token-file", options[role]]
    return CliRunner().invoke(command, [*map(str, arguments), "--target", running.target, *map(str, given)])


def test_a_caller_ranks_and_an_administrator_lists(secured, bundle):
    ranked = run(rank, secured, "--bundles", bundle.folder.parent, role="caller")
    assert ranked.exit_code == 0, ranked.exception
    assert bundle.manifest.version in ranked.output
    listed = run(models, secured, "list", role="admin")
    assert listed.exit_code == 0, listed.exception
    assert "ready" in listed.output


@pytest.mark.parametrize(
    ("role", "without", "message"),
    [
        (None, (), "no valid token"),
        ("caller", (), "needs a token with the role admin"),
        ("admin", ("--key",), "belong together"),
        ("admin", ("--certificate", "--key"), "no service answers"),
        ("admin", ("--ca", "--certificate", "--key"), "no service answers"),
    ],
)
def test_who_lacks_something_is_refused_in_one_line(secured, role, without, message):
    answer = run(models, secured, "list", "--timeout", "2", role=role, without=without)
    assert answer.exit_code != 0
    assert message in str(answer.exception)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_token_file_that_cannot_be_is_named(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    answer = CliRunner().invoke(models, ["list", "--token-file", str(path)])
    assert f"--token-file {path}" in str(answer.exception)
