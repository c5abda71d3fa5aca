"""What is special to Google Cloud Storage; what all stores have in common is in test_every_store.py."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow.providers.google", reason="make test-stores has Google's packages")

from airflow.providers.google.cloud.hooks.gcs import GCSHook
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import _regional_access_boundary_utils, iam
from google.auth.exceptions import TransportError

from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.transfers.gcs_store import GCSStore
from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError
from dev.gcs import Fault
from tests.transfers.file_server import File, clip
from tests.transfers.targets.gcs import GCSTarget, impatient

if TYPE_CHECKING:
    from dev.gcs import GCS
    from tests.transfers.conftest import RunComfy

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SMALL = clip(300_000)
LARGE = clip(20 * MIB)


@pytest.fixture
def place(gcs_server: GCS, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> GCSTarget:
    gcs_server.faults.clear()
    gcs_server.asked.clear()
    return GCSTarget(gcs_server, f"{abs(hash(request.node.nodeid)):x}", monkeypatch)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the client send again what fails without waiting for seconds."""
    with impatient(monkeypatch):
        yield


def copy(place: GCSTarget, **given: Any) -> list[dict[str, Any]]:
    return place.operator(**given).execute({})


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def chunks(gcs: GCS) -> list[int]:
    """Return how many bytes each chunk had that was sent."""
    return [int(headers["content-length"]) for method, _, headers in gcs.asked if method == "PUT"]


@pytest.mark.parametrize("size", [300_000, 6 * MIB, 20 * MIB], ids=["part of a chunk", "one chunk", "four chunks"])
def test_an_object_says_what_it_is(runcomfy: RunComfy, place: GCSTarget, size: int) -> None:
    runcomfy.has("r-1", File(clip(size)))
    (line,) = copy(place)
    assert line["uri"] == place.uri("r-1/0.mp4")
    assert line["sha256"] == sha256(clip(size)) == sha256(place.body("r-1/0.mp4"))
    metadata = place.metadata("r-1/0.mp4")
    assert (metadata["runcomfy-request-id"], metadata["runcomfy-sha256"]) == ("r-1", sha256(clip(size)))
    found = place.client.bucket(place.name).get_blob(f"{place.prefix}r-1/0.mp4")
    assert found.content_type == "video/mp4"


@pytest.mark.parametrize(
    ("files", "longest"),
    [(1, 6 * MIB), (2, 3 * MIB), (3, 2 * MIB), (4, 3 * MIB // 2), (9, 3 * MIB // 2)],
    ids=lambda value: f"{value}" if value < 100 else "",
)
def test_files_that_are_copied_at_once_share_the_memory(
    runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, files: int, longest: int
) -> None:
    bodies = [clip(9 * MIB, seed) for seed in range(files)]
    runcomfy.has("r-1", *map(File, bodies), names=tuple(f"{n}.mp4" for n in range(files)))
    assert [line["sha256"] for line in copy(place)] == [sha256(body) for body in bodies]
    assert max(chunks(gcs_server)) == longest
    assert sum(chunks(gcs_server)) == files * 9 * MIB


@pytest.mark.parametrize(
    ("size", "requests"), [(300_000, 2), (8 * MIB, 2), (8 * MIB + 1, 4)], ids=["small", "8 MiB", "more than 8 MiB"]
)
def test_a_small_file_takes_one_chunk_and_has_its_hash_at_once(
    runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, size: int, requests: int
) -> None:
    runcomfy.has("r-1", File(clip(size)))
    copy(place)
    assert sum(method in ("POST", "PUT", "PATCH") for method, _, _ in gcs_server.asked) == requests
    assert place.metadata("r-1/0.mp4")["runcomfy-sha256"] == sha256(clip(size))


class TestTroubleOnTheWay:
    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNANSWERED], ids=lambda fault: fault.name)
    def test_a_small_file_is_sent_again(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, soon: None, fault: Fault
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        gcs_server.faults[:] = [fault, fault]
        (line,) = copy(place)
        assert line["sha256"] == sha256(SMALL) == sha256(place.body("r-1/0.mp4"))
        assert len(runcomfy.file_requests()) == 1

    @pytest.mark.parametrize("at", [0, 1, 3], ids=["first chunk", "second chunk", "last chunk"])
    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.CUT, Fault.UNANSWERED], ids=lambda fault: fault.name)
    def test_a_chunk_that_fails_is_sent_again(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, soon: None, fault: Fault, at: int
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        gcs_server.faults[:] = [None] * at + [fault, fault]
        (line,) = copy(place)
        assert line["sha256"] == sha256(LARGE) == sha256(place.body("r-1/0.mp4"))
        assert len(runcomfy.file_requests()) == 1
        sizes = [6 * MIB, 6 * MIB, 6 * MIB, 2 * MIB]
        assert chunks(gcs_server) == sizes[:at] + [sizes[at]] * 3 + sizes[at + 1 :]

    @pytest.mark.parametrize(
        ("faults", "message"),
        [
            pytest.param(
                [Fault.UNAVAILABLE] * 100, r"503 Backend error \(again and again for 0 s\)", id="503 for long"
            ),
            pytest.param([None] + [Fault.CUT] * 100, "Connection aborted", id="broken for long"),
            pytest.param([None, Fault.DAMAGED], "400 Provided crc32c=.* doesn't match", id="damaged on the way"),
            pytest.param([Fault.SHORT], "6291456 bytes .* while 3145728 bytes", id="a part of a chunk is not taken"),
        ],
    )
    def test_what_does_not_pass_leaves_nothing_and_is_retried(
        self,
        runcomfy: RunComfy,
        place: GCSTarget,
        gcs_server: GCS,
        soon: None,
        faults: list[Fault | None],
        message: str,
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        gcs_server.faults[:] = faults
        with pytest.raises(StorageFailedError, match=f"r-1.*gs://videos/.*{message}.*A retry goes on") as raised:
            copy(place)
        assert "paid for" in str(raised.value)
        assert place.keys() == []
        gcs_server.faults.clear()
        assert [line["sha256"] for line in copy(place)] == [sha256(LARGE)]

    def test_the_url_of_an_upload_is_not_told_since_whoever_has_it_may_send_to_it(
        self, runcomfy: RunComfy, place: GCSTarget
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        with place.breaking(8 * MIB) as given, pytest.raises(StorageFailedError) as raised:
            copy(place, **given)
        assert "with url: /upload/storage/v1/b/videos/o (Caused by" in str(raised.value)
        assert "upload_id" not in str(raised.value)

    def test_an_upload_that_gcs_has_forgotten_is_begun_anew_by_a_retry(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS
    ) -> None:
        def forget(_: File, number: int) -> None:
            if number == 2:
                gcs_server.storage.resumable.clear()

        runcomfy.has("r-1", File(LARGE, cuts=[14 * MIB], before=forget))
        with pytest.raises(StorageFailedError, match=r"404.*A retry goes on"):
            copy(place)
        assert place.keys() == []

    def test_gcs_that_does_not_answer_is_retried(
        self, runcomfy: RunComfy, place: GCSTarget, soon: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
        runcomfy.has("r-1", File(SMALL))
        with pytest.raises(StorageFailedError, match="Connection refused"):
            copy(place)


class TestOtherWriters:
    @pytest.mark.parametrize(
        ("answer", "sent"),
        [
            pytest.param(1, [], id="before the upload"),
            pytest.param(2, [6 * MIB, 6 * MIB, 6 * MIB, 2 * MIB], id="during the upload"),
        ],
    )
    def test_an_object_that_appears_is_left_as_it_is(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, answer: int, sent: list[int]
    ) -> None:
        def appear(_: File, number: int) -> None:
            if number == answer:
                place.client.bucket(place.name).blob(f"{place.prefix}r-1/0.mp4").upload_from_string(b"theirs")

        runcomfy.has("r-1", File(LARGE, cuts=[14 * MIB], before=appear))
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(place)
        assert place.body("r-1/0.mp4") == b"theirs"
        assert chunks(gcs_server) == sent

    def test_the_hash_is_added_to_our_object_only(
        self, runcomfy: RunComfy, place: GCSTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_hash = GCSStore._add_hash

        def be_late(store: GCSStore, blob: Any, sha256: str) -> None:
            place.put("r-1/0.mp4", b"theirs")
            add_hash(store, blob, sha256)

        monkeypatch.setattr(GCSStore, "_add_hash", be_late)
        runcomfy.has("r-1", File(LARGE))
        (line,) = copy(place)
        assert line["sha256"] == sha256(LARGE)
        assert (place.body("r-1/0.mp4"), place.metadata("r-1/0.mp4")) == (b"theirs", {})

    def test_an_object_that_is_replaced_while_it_is_hashed_has_no_hash_of_both(
        self, place: GCSTarget, soon: None
    ) -> None:
        place.put("0.mp4", clip(20 * MIB))
        store, _ = place.operator().open_store()
        pieces = store.read(f"{place.prefix}0.mp4")
        first = next(pieces)
        place.put("0.mp4", clip(20 * MIB, seed=1))
        assert first == clip(20 * MIB)[: len(first)]
        with pytest.raises(StorageFailedError, match="No such object"):
            list(pieces)


class TestPermissions:
    def test_who_may_create_and_look_can_copy(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS, caplog: pytest.LogCaptureFixture
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        with gcs_server.allowing("create", "get"), caplog.at_level(logging.INFO):
            first = copy(place)
            assert copy(place) == first
        assert "without its SHA-256 in its metadata: 403 " in caplog.text
        assert first[0]["sha256"] == sha256(LARGE)
        metadata = place.metadata("r-1/0.mp4")
        assert (metadata["runcomfy-request-id"], metadata.get("runcomfy-sha256")) == ("r-1", None)
        assert len(runcomfy.file_requests()) == 1

    def test_who_may_only_create_can_copy_once(self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS) -> None:
        runcomfy.has("r-1", File(SMALL))
        with gcs_server.allowing("create"):
            (line,) = copy(place)
            with pytest.raises(StorageRefusedError, match=r"r-1.*cannot be seen"):
                copy(place)
        assert line["sha256"] == sha256(place.body("r-1/0.mp4"))

    def test_replacing_needs_the_permission_to_delete(
        self, runcomfy: RunComfy, place: GCSTarget, gcs_server: GCS
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        place.put("r-1/0.mp4", b"theirs")
        refusal = r"403 .*'storage\.objects\.delete' denied.*storage\.objects\.delete for `replace`"
        with gcs_server.allowing("create", "get", "update"), pytest.raises(StorageRefusedError, match=refusal):
            copy(place, replace=True)
        assert place.body("r-1/0.mp4") == b"theirs"


class Google:
    """Google's token server and its service for acting as another account: each token names who has it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.status = 200
        self.asked: list[tuple[str, str | None, bytes]] = []

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/token":
            return {"access_token": "token-of-the-key", "expires_in": 3600, "token_type": "Bearer"}
        account = path.rpartition("/")[2].partition(":")[0]
        return {"accessToken": f"token-of-{account}", "expireTime": "2999-01-01T00:00:00Z"}

    def connection(self) -> str:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        keyfile = {
            "type": "service_account",
            "client_email": "key@films.iam.gserviceaccount.com",
            "token_uri": f"{self.endpoint}/token",
            "project_id": "films",
            "private_key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        }
        return json.dumps({"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": keyfile}})


@contextmanager
def token_server() -> Iterator[Google]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            google.asked.append((self.path, self.headers.get("Authorization"), body))
            answer = google.answer(self.path) if google.status == 200 else {"error": "invalid_grant"}
            self.send_response(google.status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    google = Google(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield google
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestCredentials:
    @pytest.fixture
    def google(self, monkeypatch: pytest.MonkeyPatch, place: GCSTarget) -> Iterator[Google]:
        with token_server() as google:
            monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", google.connection())
            # The addresses that no connection can change; the second is asked in the background.
            monkeypatch.setattr(iam, "_IAM_ENDPOINT", google.endpoint + "/{}:generateAccessToken")
            monkeypatch.setattr(_regional_access_boundary_utils, "_get_domain", lambda: "127.0.0.1:9")
            yield google

    @pytest.mark.parametrize(
        ("chain", "user", "delegates"),
        [
            pytest.param(None, "the-key", None, id="nobody else"),
            pytest.param("writer@films.iam.gserviceaccount.com", "writer@films.iam.gserviceaccount.com", [], id="one"),
            pytest.param(
                ["relay@films.iam.gserviceaccount.com", "writer@films.iam.gserviceaccount.com"],
                "writer@films.iam.gserviceaccount.com",
                ["relay@films.iam.gserviceaccount.com"],
                id="one by way of another",
            ),
        ],
    )
    def test_the_bucket_is_written_as_the_last_of_the_chain(
        self,
        runcomfy: RunComfy,
        place: GCSTarget,
        gcs_server: GCS,
        google: Google,
        chain: Any,
        user: str,
        delegates: list[str] | None,
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        copy(place, impersonation_chain=chain)
        users = {headers.get("authorization") for method, _, headers in gcs_server.asked if method == "PUT"}
        assert users == {f"Bearer token-of-{user}"}
        asked = [
            (caller, json.loads(body)["delegates"] or []) for path, caller, body in google.asked if path != "/token"
        ]
        assert asked[:1] == ([] if delegates is None else [("Bearer token-of-the-key", delegates)])

    def test_a_key_that_is_not_accepted_is_not_retried(
        self, runcomfy: RunComfy, place: GCSTarget, google: Google
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        google.status = 400
        with pytest.raises(StorageRefusedError, match=r"invalid_grant.*'google_cloud_default'.*`impersonation_chain`"):
            copy(place)

    def test_a_token_server_that_does_not_answer_is_retried(
        self, runcomfy: RunComfy, place: GCSTarget, google: Google, soon: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        google.endpoint = "http://127.0.0.1:9"
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", google.connection())
        with pytest.raises(StorageFailedError, match="Connection refused"):
            copy(place)

    @pytest.mark.parametrize(
        ("extra", "message"),
        [
            pytest.param({}, "default credentials were not found", id="none at all"),
            pytest.param(
                {"keyfile_dict": {"private_key": "x", "type": "service_account"}}, "private_key|fields", id="bad"
            ),
        ],
    )
    def test_missing_credentials_are_told(
        self,
        runcomfy: RunComfy,
        place: GCSTarget,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
        extra: dict[str, Any],
        message: str,
    ) -> None:
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path_factory.mktemp("gcloud")))
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
        runcomfy.has("r-1", File(SMALL))
        with pytest.raises(StorageRefusedError, match=f"'google_cloud_default'.*({message})"):
            copy(place)
        assert runcomfy.file_requests() == []

    @pytest.mark.parametrize(
        ("error", "kind", "advice"),
        [
            pytest.param(TransportError("refused"), StorageFailedError, "A retry asks again.", id="no metadata server"),
            pytest.param(ConnectionResetError(), StorageFailedError, "A retry asks again.", id="no Secret Manager"),
            pytest.param(
                FileNotFoundError("key.json"), StorageRefusedError, "Correct the connection", id="no key file"
            ),
            pytest.param(TypeError("scopes"), StorageRefusedError, "Correct the connection", id="a malformed extra"),
        ],
    )
    def test_credentials_that_cannot_be_had_now_are_asked_for_again(
        self,
        place: GCSTarget,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        kind: type[StorageFailedError | StorageRefusedError],
        advice: str,
    ) -> None:
        def fail(hook: object) -> None:
            raise error

        monkeypatch.setattr(GCSHook, "get_conn", fail)
        with pytest.raises(kind, match=f"'google_cloud_default' gives no credentials.*Nothing was copied.*{advice}"):
            place.operator().open_store()


class TestParameters:
    def test_what_people_template_is_rendered(self) -> None:
        operator = RunComfyToGCSOperator(
            task_id="copy",
            request_id="{{ x }}",
            bucket_name="{{ x }}-videos",
            object_name="{{ x }}/{request_id}.{ext}",
            gcp_conn_id="{{ x }}_gcp",
            impersonation_chain=["{{ x }}@a", "b"],
            runcomfy_conn_id="{{ x }}_runcomfy",
        )
        context: Any = {"x": "team"}
        operator.render_template_fields(context)
        assert {name: getattr(operator, name) for name in operator.template_fields} == {
            "request_id": "team",
            "bucket_name": "team-videos",
            "object_name": "team/{request_id}.{ext}",
            "gcp_conn_id": "team_gcp",
            "impersonation_chain": ["team@a", "b"],
            "runcomfy_conn_id": "team_runcomfy",
        }

    def test_an_empty_bucket_is_refused_before_anything_is_copied(self, runcomfy: RunComfy, place: GCSTarget) -> None:
        runcomfy.has("r-1", File(SMALL))
        with pytest.raises(InvalidInputsError, match="`bucket_name` is empty"):
            copy(place, bucket_name="")
        assert runcomfy.file_requests() == []
