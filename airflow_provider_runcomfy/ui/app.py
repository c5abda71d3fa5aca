"""The web app of the page, which Airflow's API server mounts: what it shows, the files, and the page itself."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from airflow_provider_runcomfy.api.download_policy import DEFAULT_HOSTS
from airflow_provider_runcomfy.ui.clips import clips_of
from airflow_provider_runcomfy.ui.files import Place
from airflow_provider_runcomfy.ui.found import RunFacts, facts_of
from airflow_provider_runcomfy.ui.media import Viewing
from airflow_provider_runcomfy.ui.own_host import OwnHosts
from airflow_provider_runcomfy.ui.presign import NotPlayableError
from airflow_provider_runcomfy.ui.view import view_of

_STATIC = Path(__file__).parent / "static"
_ANY_DAG = "~"
# Of everything that is answered. Players follow a redirect to wherever a bucket is, so media may come from anywhere
# that the page's own security allows.
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {media}; media-src 'self' {media}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def one_dag(dag_id: str) -> None:
    """Refuse the id by which Airflow means any Dag: it would pass as the right to see one."""
    if dag_id == _ANY_DAG:
        raise HTTPException(404, "There is no such Dag.")


# Airflow's own right to see the XComs of this Dag.
_MAY_SEE = [Depends(one_dag), Depends(requires_access_dag("GET", DagAccessEntity.XCOM))]
app = FastAPI(title="RunComfy", docs_url=None, redoc_url=None, openapi_url=None)


class _Static(StaticFiles):
    """Files that a browser asks for again, since an upgrade may have changed them."""

    def file_response(self, full_path: Any, stat_result: os.stat_result, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, stat_result, *args, **kwargs)
        response.headers.update({"Cache-Control": "no-cache", **_HEADERS})
        return response


app.mount("/static", _Static(directory=_STATIC), name="static")


def _viewing(request: Request) -> Viewing:
    base_url = conf.get("api", "base_url", fallback="") or ""
    return Viewing(
        buckets=_listed("ui_buckets", ""),
        hosts=_listed("ui_media_hosts", ",".join(DEFAULT_HOSTS)),
        own=OwnHosts.of(request, base_url),
    )


def _listed(option: str, default: str) -> list[str]:
    text = conf.get("runcomfy", option, fallback=default) or default
    return [item for part in text.split(",") if (item := part.strip())]


def _run(session: SessionDep, dag_id: str, run_id: str, request_id: str | None = None) -> RunFacts:
    run = facts_of(session, dag_id, run_id, request_id)
    if run is None:
        raise HTTPException(404, "There is no such Dag run.")
    return run


@app.get("/data/{dag_id}/{run_id}", dependencies=_MAY_SEE)
def run_data(dag_id: str, run_id: str, session: SessionDep, request: Request, response: Response) -> dict[str, Any]:
    """Return what the page of a Dag run shows."""
    response.headers.update({"Cache-Control": "no-store", **_HEADERS})
    return view_of(_run(session, dag_id, run_id), _viewing(request))


@app.get("/data/{dag_id}/{run_id}/{task_id}/{map_index}", dependencies=_MAY_SEE)
def task_data(
    dag_id: str, run_id: str, task_id: str, map_index: int, session: SessionDep, request: Request, response: Response
) -> dict[str, Any]:
    """Return what the page of a task instance shows."""
    response.headers.update({"Cache-Control": "no-store", **_HEADERS})
    return view_of(_run(session, dag_id, run_id), _viewing(request), (task_id, map_index))


@app.get("/media/{dag_id}/{run_id}/{request_id}/{index}", dependencies=_MAY_SEE)
def media(
    dag_id: str,
    run_id: str,
    request_id: str,
    index: int,
    session: SessionDep,
    request: Request,
    place: Annotated[int | None, Query()] = None,
) -> Response:
    """
    Send the browser to where a file of a request can be played.

    The client names the file, never the target.

    :param place: which of its copies; by default the first that can be played, else RunComfy's own.
    """
    run = _run(session, dag_id, run_id, request_id)
    clip = next((clip for clip in clips_of(run) if clip.request_id == request_id), None)
    if clip is None or not 0 <= index < len(clip.files):
        raise HTTPException(404, "No task of this Dag run tells of such a file.")
    file, viewing = clip.files[index], _viewing(request)
    try:
        if place is None:
            target = viewing.url_of(file, run, request_id)
        elif 0 <= place < len(file.places):
            target = viewing.url_of_copy(file.places[place], run)
        else:
            raise HTTPException(404, "There is no such copy.")
    except NotPlayableError as error:
        raise HTTPException(409, str(error)) from None
    return RedirectResponse(target, 302, {"Cache-Control": "no-store", **_HEADERS})


@app.get("/stored/{dag_id}/{run_id}/{task_id}/{map_index}", dependencies=_MAY_SEE)
def stored(dag_id: str, run_id: str, task_id: str, map_index: int, session: SessionDep, request: Request) -> Response:
    """Send the browser to the first object that a transfer has stored; to its page, which says why, if it cannot be."""
    run, key = _run(session, dag_id, run_id), (task_id, map_index)
    task = run.tasks.get(key)
    # Relative, so that whatever stands before the app in the URL stays there.
    target = f"../../../../page/{'/'.join(quote(part, safe='') for part in (dag_id, run_id, task_id, str(map_index)))}"
    if task and task.copies:
        with suppress(NotPlayableError):
            target = _viewing(request).url_of_copy(Place(task.copies[0], key), run)
    return RedirectResponse(target, 302, {"Cache-Control": "no-store", **_HEADERS})


@app.get("/page/{dag_id}/{run_id}")
def run_page(dag_id: str, run_id: str, request: Request) -> Response:
    """Return the page of a Dag run: it holds nothing by itself, so it needs no right."""
    return _page(request, up="../../")


@app.get("/page/{dag_id}/{run_id}/{task_id}/{map_index}")
def task_page(dag_id: str, run_id: str, task_id: str, map_index: str, request: Request) -> Response:
    """Return the page of a task instance: it holds nothing by itself, so it needs no right."""
    return _page(request, up="../../../../")


def _page(request: Request, up: str) -> Response:
    # Without TLS a bucket may be without it, too; with it, browsers load nothing that is not.
    media = "https:" if request.url.scheme == "https" else "https: http:"
    headers = {"Content-Security-Policy": _CSP.format(media=media), "Cache-Control": "no-cache", **_HEADERS}
    return HTMLResponse((_STATIC / "page.html").read_text().replace("{up}", up), headers=headers)
