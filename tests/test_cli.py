"""The commands, in both of their forms: what they say, and with which code they end."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.cli.main import main
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.api.conftest import plain_environment as plain_environment
from tests.api.raw_server import raw_server, reply
from tests.runcomfy import CONNECTION_VARIABLE, PRO, TOKEN, connection_to

VERSIONS = (
    f"Versions: airflow-provider-runcomfy {__version__}, Airflow {version('apache-airflow-core')}, "
    f"Python {platform.python_version()}\n"
)
FITS = {"prompt": "a fox", "duration": 3}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNCOMFY_TOKEN", CONNECTION_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    # The command sets it for its process, which is that of the tests here.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command, and returns its exit code, what it said, and what it complained of."""

    def it(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        said = capsys.readouterr()
        assert TOKEN not in said.out + said.err
        return code, said.out, said.err

    return it


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"Bearer {TOKEN}\n")
    return str(file)


# --- check -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
class TestCheck:
    def test_the_token_of_a_file(self, run: Run, sandbox: Sandbox, token_file: str) -> None:
        assert run("check", "--token-file", token_file, "--host", sandbox.url) == (
            0,
            f"{VERSIONS}RunComfy: {sandbox.url}\nToken: of {token_file}\nBalance: 100.00 USD\nAll is well.\n",
            "",
        )

    def test_the_token_of_the_variable(self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUNCOMFY_TOKEN", TOKEN)
        code, said, _ = run("check", "--host", sandbox.url)
        assert code == 0
        assert (
            "Token: of the variable RUNCOMFY_TOKEN; tasks prefer an Airflow connection 'runcomfy_default', see "
            "--conn-id\n"
        ) in said

    @pytest.mark.parametrize("named", [True, False], ids=["named", "the default one"])
    def test_the_token_of_a_connection(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, named: bool
    ) -> None:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        code, said, _ = run("check", *(["--conn-id", "runcomfy_default"] if named else []))
        assert code == 0
        assert "Token: of the Airflow connection 'runcomfy_default'\nBalance: 100.00 USD\n" in said

    def test_a_named_connection_comes_before_the_variable(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        monkeypatch.setenv("RUNCOMFY_TOKEN", "another-token-0123")
        code, said, _ = run("check", "--conn-id", "runcomfy_default")
        assert (code, "of the Airflow connection" in said) == (0, True)

    def test_no_balance(self, run: Run, token_file: str) -> None:
        with running_sandbox(balance_usd=0) as poor:
            code, said, complained = run("check", "--token-file", token_file, "--host", poor.url)
        assert code == 1
        assert said.endswith("Balance: 0.00 USD\n")
        assert "add funds" in complained


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        pytest.param(401, {"error_code": 400004, "error_message": f"not {TOKEN}"}, 1, "not ***", id="bad token"),
        pytest.param(200, b"<h1>It works!</h1>", 1, "Correct the base URL", id="wrong host"),
        pytest.param(503, b"", 3, "try later", id="an outage"),
    ],
)
def test_what_is_wrong_is_told_and_ends_with_its_code(
    run: Run, token_file: str, status: int, body: Any, code: int, says: str
) -> None:
    with raw_server() as server:
        server.answer(reply(status, body))
        ended = run("check", "--token-file", token_file, "--host", server.url)
    assert ended[0] == code
    assert says in ended[2]


def test_nobody_answers(run: Run, token_file: str) -> None:
    with raw_server() as server:
        pass
    code, _, complained = run("check", "--token-file", token_file, "--host", server.url)
    assert (code, complained.startswith(f"{server.url} does not answer.")) == (3, True)


def test_a_proxy_that_cannot_be_used_is_something_to_mend(
    run: Run, token_file: str, plain_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    assert run("check", "--token-file", token_file) == (
        1,
        f"{VERSIONS}RunComfy: https://model-api.runcomfy.net\nToken: of {token_file}\n",
        "The environment sets a proxy for api.runcomfy.net that cannot be used: expected http://HOST[:PORT] or "
        "https://HOST[:PORT]. Set HTTPS_PROXY so, or add the host to NO_PROXY. "
        "Nothing was sent, nothing was charged.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--conn-id", "nowhere"], 1, "There is no Airflow connection 'nowhere'"),
        ([], 1, "or set the environment variable RUNCOMFY_TOKEN"),
        (["--token-file", TOKEN], 2, "The file that --token-file names cannot be read: No such file or directory"),
        (["--conn-id", "a", "--host", "https://a.org"], 2, "a connection has its own host"),
        (["--host", "https://a.org"], 2, "--host goes with --token-file or RUNCOMFY_TOKEN"),
        (["--conn-id", "a", "--token-file", "a"], 2, "both name a token"),
        (["--token", TOKEN], 2, "unrecognized arguments"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_a_check_that_cannot_be_made(
    run: Run, airflow_home: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--token" in arguments:
        # What argparse says repeats what was given: the very reason why no option takes a token.
        with pytest.raises(SystemExit) as ended:
            main(["check", *arguments])
        assert (ended.value.code, says in capsys.readouterr().err) == (code, True)
        return
    ended_with, _, complained = run("check", *arguments)
    assert (ended_with, says in complained) == (code, True), complained


@pytest.mark.parametrize("text", ["", "Bearer ", "two words", "tökén"], ids=repr)
def test_a_file_without_a_token_is_named(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    code, _, complained = run("check", "--token-file", str(file))
    assert code == 1
    assert complained.startswith(f"{file} has ")


# --- validate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_id", "text", "code", "says"),
    [
        pytest.param(PRO, json.dumps(FITS), 0, f"The inputs fit {PRO}.\n", id="fits"),
        pytest.param(PRO, '{"prompt": "a", "duration": 99}', 1, "duration: got 99", id="a fault"),
        pytest.param(PRO, '{"prompt": "a", "duration": 99, "soundd": true}', 1, "did you mean sound", id="each fault"),
        pytest.param(PRO, "[]", 1, "an object with the model's fields", id="no object"),
        pytest.param(PRO, "{", 1, "is no JSON: Expecting property name", id="no JSON"),
        pytest.param(PRO, "\udcff", 1, "is no JSON", id="no text"),
        pytest.param(PRO, "[" * 200_000, 1, "is no JSON: it is nested too deeply\n", id="lists without end"),
        pytest.param(PRO, "[" * 900 + "]" * 900, 1, "an object with the model's fields", id="900 lists"),
        pytest.param(PRO, f'{{"duration": {"9" * 5000}}}', 1, "is no JSON", id="a number of 5000 digits"),
        pytest.param("kling/kling-3.0/pro/text-to-vide", json.dumps(FITS), 3, "text-to-video", id="a mistyped model"),
        pytest.param("other/model", json.dumps(FITS), 3, "catalogue gave none (it was not asked:", id="unknown"),
        pytest.param("no model", json.dumps(FITS), 1, "no model", id="no model id"),
    ],
)
def test_validate(run: Run, tmp_path: Path, model_id: str, text: str, code: int, says: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text, errors="surrogateescape")
    ended, said, complained = run("validate", model_id, str(file))
    assert (ended, says in said + complained) == (code, True), said + complained
    assert (said == "") is (code != 0)


@pytest.mark.slow
class TestTheCatalogue:
    MODEL = "sandbox/image-to-video"

    @pytest.fixture
    def validate(self, run: Run, sandbox: Sandbox, token_file: str, tmp_path: Path) -> Run:
        def it(inputs: dict[str, Any], model_id: str = self.MODEL) -> tuple[int, str, str]:
            file = tmp_path / "inputs.json"
            file.write_text(json.dumps(inputs))
            return run("validate", model_id, str(file), "--token-file", token_file, "--host", sandbox.url)

        return it

    def test_has_the_schema_of_a_model_that_the_package_does_not_know(self, validate: Run, sandbox: Sandbox) -> None:
        fits = validate({"prompt": "It moves", "image_url": "s3://stills/cat.png"})
        code, _, complained = validate({"prompt": "It moves", "duration": 99})
        assert fits == (0, f"The inputs fit {self.MODEL}.\n", "")
        assert (code, "duration: got 99" in complained, "image_url: got nothing" in complained) == (1, True, True)
        assert sandbox.requests() == []

    def test_leads_to_media_that_cannot_be_fetched(self, validate: Run) -> None:
        code, _, complained = validate({"prompt": "It moves", "image_url": "/data/cat.png"})
        assert (code, "a local path cannot be fetched" in complained) == (1, True)

    def test_without_such_a_model(self, validate: Run) -> None:
        code, _, complained = validate({"prompt": "It moves"}, "other/model")
        assert code == 3
        assert complained.startswith("Not checked: this package has no schema of other/model, and RunComfy's catalogue")

    def test_is_not_asked_where_the_package_knows(self, validate: Run, sandbox: Sandbox) -> None:
        assert validate(FITS, PRO)[0] == 0
        assert sandbox.calls() == []

    def test_by_the_token_of_a_connection(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        file = tmp_path / "inputs.json"
        file.write_text('{"prompt": "A cat"}')
        code, _, complained = run("validate", self.MODEL, str(file), "--conn-id", "runcomfy_default")
        assert (code, "image_url: got nothing" in complained) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--token-file", "-"], 2, "cannot both come by standard input"),
        (["--token-file", "/nowhere"], 2, "The file that --token-file names cannot be read"),
        (["--host", "https://a.org"], 2, "--host goes with --token-file or RUNCOMFY_TOKEN"),
        (["--conn-id", "a", "--token-file", "a"], 2, "both name a token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_token_for_validate_that_cannot_be_had(
    run: Run, tmp_path: Path, options: list[str], code: int, says: str
) -> None:
    file = tmp_path / "inputs.json"
    file.write_text("{}")
    inputs = "-" if "-" in options else str(file)
    ended, _, complained = run("validate", "other/model", inputs, *options)
    assert (ended, says in complained) == (code, True), complained


def test_validate_of_a_file_that_is_not_there(run: Run) -> None:
    assert run("validate", PRO, "/nowhere.json") == (2, "", "/nowhere.json cannot be read: No such file or directory\n")


# --- Both forms ------------------------------------------------------------------------------------------------------

PLAIN = [sys.executable, "-m", "airflow_provider_runcomfy"]
OF_AIRFLOW = [sys.executable, "-m", "airflow", "runcomfy"]
needs_airflow_3_2 = pytest.mark.skipif(
    version("apache-airflow-core").startswith("3.1."), reason="Airflow 3.1 takes no commands of providers"
)
forms = pytest.mark.parametrize(
    "form", [pytest.param(PLAIN, id="python -m"), pytest.param(OF_AIRFLOW, id="airflow", marks=needs_airflow_3_2)]
)


def finished(command: list[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **kwargs)


@pytest.mark.slow
@forms
def test_both_forms_check(form: list[str], sandbox: Sandbox) -> None:
    done = finished([*form, "check", "--token-file", "-", "--host", sandbox.url], input=TOKEN)
    assert (done.returncode, done.stdout) == (
        0,
        f"{VERSIONS}RunComfy: {sandbox.url}\nToken: of standard input\nBalance: 100.00 USD\nAll is well.\n",
    )


@pytest.mark.slow
@forms
def test_both_forms_read_a_connection_of_the_database(form: list[str], sandbox: Sandbox, airflow_home: Path) -> None:
    name = f"of_the_database_{form[2]}"
    add = ["connections", "add", name, "--conn-json", connection_to(sandbox)]
    subprocess.run([sys.executable, "-m", "airflow", *add], check=True, capture_output=True)
    done = finished([*form, "check", "--conn-id", name])
    assert (done.returncode, f"Token: of the Airflow connection '{name}'\n" in done.stdout) == (0, True), done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.slow
@forms
def test_both_forms_validate(form: list[str]) -> None:
    done = finished([*form, "validate", PRO, "-"], input='{"prompt": "a", "duration": 99}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "duration: got 99" in done.stderr


@pytest.mark.slow
@forms
def test_both_forms_run_a_sandbox(form: list[str]) -> None:
    command = [*form, "sandbox", "--port", "0", "--balance", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            [url] = re.findall(r"sandbox ready on (http://[0-9.:]+)", ready)
            done = finished([*PLAIN, "check", "--token-file", "-", "--host", url], input=TOKEN)
            assert "Balance: 7.00 USD" in done.stdout
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()


@pytest.mark.slow
def test_without_a_connection_to_read_it_needs_no_airflow() -> None:
    program = (
        "import sys; sys.modules['airflow'] = None\n"
        "from airflow_provider_runcomfy.cli.main import main\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program]
    assert finished([*command, "validate", PRO, "-"], input=json.dumps(FITS)).returncode == 0
    environment = {**os.environ, "RUNCOMFY_TOKEN": TOKEN}
    with raw_server() as server:
        server.answer(reply(503))
        done = finished([*command, "check", "--host", server.url], env=environment)
    assert (done.returncode, "cannot serve now" in done.stderr) == (3, True), done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["validate"]], ids=repr)
def test_a_wrong_command_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    code, _, complained = run(*arguments)
    assert (code, complained.startswith("usage: python -m airflow_provider_runcomfy")) == (2, True)
