"""The connection form and the test button in a real Chromium, as a person fills it in and reads what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from airflow_provider_runcomfy.get_provider_info import get_provider_info
from dev.airflow_client import TaskKey
from dev.processes import LOOPBACK, free_ports
from dev.sandbox import Sandbox, sandbox
from tests.ui.browser import Visit, keep
from tests.ui.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.browser]

[TYPE] = get_provider_info()["connection-types"]
STANDARD = TYPE["ui-field-behaviour"]
TOKEN = "token-of-the-form"
REVOKED = "token-that-is-revoked"
SAID_OF_TOKEN = "Create a new one in your RunComfy profile, and put it in the place of this one."
SAID_OF_BALANCE = "RunComfy refuses every submit until you add funds to it."
SAID_OF_NETWORK = (
    "Start the sandbox (python -m airflow_provider_runcomfy.sandbox), or correct the base URL; in a container "
    "127.0.0.1 is the container itself."
)
SAID_OF_HOST = (
    "Correct the base URL (leave it empty for RunComfy itself), or ask who runs the proxy or firewall that answers in "
    "its place."
)

# How wide the text of a placeholder is, beside the room that it has.
WIDTHS = """input => {
  const style = getComputedStyle(input);
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return [canvas.measureText(input.placeholder).width, room];
}"""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a RunComfy that only the connections of the form lead to."""
    folder = tmp_path_factory.mktemp("account")
    with sandbox(folder, queue_seconds=0, run_seconds=1, concurrency=1, balance=12.34) as own:
        own.add_fault("status", token=REVOKED, code=401, error_code=400004, times=None)
        yield own


@pytest.fixture(scope="module")
def hosts(account: Sandbox, shown: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Return what one may take for RunComfy's base URL."""
    folder = tmp_path_factory.mktemp("poor")
    with sandbox(folder, queue_seconds=0, run_seconds=1, concurrency=1, balance=0.0) as poor:
        yield {
            "account": account.url,
            "poor account": poor.url,
            "nobody": f"http://{LOOPBACK}:{free_ports(1)[0]}",
            # Airflow's own: it answers a web page for whatever it does not know.
            "web page": shown.airflow.url,
        }


@pytest.fixture
def admin(visit: Any, shown: Stage) -> Visit:
    window: Visit = visit("/", at=shown.locked)
    window.sign_in("admin")
    return window


class Form:
    """Airflow's dialog for a new connection, its fields by the labels that a person reads."""

    def __init__(self, window: Visit) -> None:
        self.page = window.page
        self.page.get_by_role("button", name="Admin").click()
        self.page.get_by_role("menuitem", name="Connections").click()
        self.page.get_by_role("button", name="Add Connection").click()
        self.dialog = self.page.get_by_role("dialog")

    def choose(self, connection_type: str) -> None:
        self.dialog.get_by_role("combobox").fill(connection_type)
        self.page.get_by_role("option", name=connection_type, exact=True).click()
        self.dialog.get_by_role("button", name="Extra Fields", exact=True).wait_for()

    def unfold_extras(self) -> None:
        self.dialog.get_by_role("button", name="Extra Fields", exact=True).click()

    def field(self, label: str) -> Any:
        label_of_it = self.page.get_by_text(label, exact=True)
        return self.dialog.locator("[data-scope=field][data-part=root]").filter(has=label_of_it)

    def fill(self, fields: Mapping[str, str]) -> None:
        for label, value in fields.items():
            self.field(label).locator("input").fill(value)

    def save(self) -> None:
        self.dialog.get_by_role("button", name="Save").click()
        self.dialog.wait_for(state="detached")


def add(window: Visit, conn_id: str, fields: Mapping[str, str], extras: Mapping[str, str]) -> None:
    """Add a connection as a person does."""
    form = Form(window)
    form.dialog.get_by_label("Connection ID").fill(conn_id)
    form.choose("RunComfy")
    form.fill(fields)
    form.unfold_extras()
    form.fill(extras)
    form.save()


def answer_of_the_test_button(window: Visit, conn_id: str) -> tuple[str, str]:
    """Press the button beside the connection, and return headline and text of what is shown then."""
    row = window.page.get_by_role("row").filter(has_text=conn_id)
    row.get_by_role("button", name="Test Connection").click()
    shown = window.page.locator("[data-scope=toast][data-part=root]").filter(has_text="Test Connection")
    headline, text = (shown.locator(f"[data-part={part}]").inner_text() for part in ("title", "description"))
    return headline, text


def test_each_field_says_what_it_is_and_what_to_write(admin: Visit) -> None:
    form = Form(admin)
    form.choose("RunComfy")
    for name, label in STANDARD["relabeling"].items():
        field = form.field(label).locator("input")
        assert field.is_visible()
        assert field.get_attribute("name") == name
        assert field.get_attribute("placeholder") == STANDARD["placeholders"][name]
        text, room = field.evaluate(WIDTHS)
        assert 0 < text <= room
    for name in ("login", "schema"):
        assert form.dialog.locator(f"[name={name}]").count() == 0
    keep(admin, "ui-connection-light")

    form.unfold_extras()
    for name, extra in TYPE["conn-fields"].items():
        field = form.field(extra["label"])
        field.get_by_text(extra["description"], exact=True).wait_for()
        assert field.locator("input").get_attribute("name") == f"element_{name}"
        # A default that is filled in would be kept in the connection, and outlive a change of it.
        assert field.locator("input").input_value() == ""
        offered = [option.get_attribute("value") for option in field.locator("datalist option").all()]
        assert offered == extra["schema"].get("examples", [])


def test_the_connection_that_was_made_in_the_form_makes_a_clip(admin: Visit, shown: Stage, account: Sandbox) -> None:
    add(
        admin,
        "made_in_the_form",
        {"API token": TOKEN, "Base URL": account.url, "Port": "443"},
        {"Download hosts": "clips.example.com, runcomfy.net", "Largest download": "50000000"},
    )

    assert answer_of_the_test_button(admin, "made_in_the_form") == (
        "Test Connection Successful",
        f"Connected to {account.url}; balance 12.34 USD",
    )
    run_id = shown.run("connected")
    request_id = shown.airflow.client.xcom(TaskKey("connected", "generate"), run_id, "request_id")
    # The sandbox shows a request to nobody but whose token has paid for it.
    assert account.video(request_id, TOKEN)[4:8] == b"ftyp"
    assert [made["request_id"] for made in account.requests()] == [request_id]
    limits = shown.airflow.client.xcom(TaskKey("connected", "limits"), run_id)
    assert limits == [["clips.example.com", "runcomfy.net"], 50_000_000]


@pytest.mark.parametrize(
    ("token", "host", "says", "cure"),
    [
        pytest.param(
            REVOKED, "account", "{url} does not accept the API token (HTTP 401: ", SAID_OF_TOKEN, id="bad-token"
        ),
        pytest.param(
            TOKEN,
            "poor account",
            "{url} accepts the API token, but nothing is left on the account (balance 0.00 USD): ",
            SAID_OF_BALANCE,
            id="no-balance",
        ),
        pytest.param(TOKEN, "nobody", "{url} does not answer. Balance: ", SAID_OF_NETWORK, id="no-network"),
        pytest.param(
            TOKEN,
            "web page",
            "{url} answers, but not as RunComfy does (HTTP 200: a web page, Airflow). ",
            SAID_OF_HOST,
            id="wrong-host",
        ),
    ],
)
def test_the_test_button_says_what_is_wrong_and_what_to_do(
    admin: Visit, hosts: Mapping[str, str], request: pytest.FixtureRequest, token: str, host: str, says: str, cure: str
) -> None:
    conn_id = request.node.callspec.id
    add(admin, conn_id, {"API token": token, "Base URL": hosts[host], "Port": "443"}, {})

    headline, text = answer_of_the_test_button(admin, conn_id)

    assert headline == "Test Connection Failed"
    assert text.startswith(says.format(url=hosts[host]))
    assert text.endswith(cure)
    assert token not in text
