"""What the page shows of each request: all that a Dag run's tasks tell of it, put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.fields import cost
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.record import Outcome, Submission
from airflow_provider_runcomfy.ui import attention
from airflow_provider_runcomfy.ui.files import File, Place, files_of
from airflow_provider_runcomfy.ui.reading import Told
from airflow_provider_runcomfy.ui.times import Times, times_of

if TYPE_CHECKING:
    from airflow_provider_runcomfy.ui.found import Key, RunFacts, TaskFacts

#: The states of a task instance that is not over; None is one that waits for its turn.
UNFINISHED = (
    None,
    *("scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule"),
)
_LIVE_RUNS = ("queued", "running")


@dataclass
class Clip:
    """
    A request, or a submit that may have become one.

    :param state: a :class:`RequestState`, an :class:`Outcome`, or ``submitted`` (nothing else is known yet),
        ``submitting`` (its POST is under way), ``unknown_submission``.
    :param tasks: the task instances that tell of it, the one that submitted it first.
    :param attention: what a person has to know of the money: paid for, and not handed over.
    """

    request_id: str | None
    state: str
    tasks: list[Key]
    model_id: str | None = None
    inputs: Any = None
    queue_position: int | None = None
    told_at: str | None = None
    times: Times = field(default_factory=Times)
    cost_usd: float | None = None
    error: str | None = None
    attention: str | None = None
    files: list[File] = field(default_factory=list)


def clips_of(run: RunFacts) -> list[Clip]:
    """Return the run's clips, oldest first."""
    requests = _by_request(run.tasks.values())
    clips = [_clip(request_id, heard, run) for request_id, heard in requests.items()]
    clips += [clip for task in run.tasks.values() for clip in _without_id(task)]
    return sorted(clips, key=lambda clip: (clip.times.submitted_at or float("inf"), clip.tasks[0]))


def is_live(run: RunFacts, key: Key | None = None) -> bool:
    """Return whether the run, or one of its task instances, may still change by itself."""
    if key is None or run.state in _LIVE_RUNS:
        return run.state in _LIVE_RUNS
    task = run.tasks.get(key)
    return task is not None and task.state in UNFINISHED


@dataclass
class _Heard:
    """All that is heard of one request."""

    submissions: list[tuple[TaskFacts, Submission]] = field(default_factory=list)
    results: list[tuple[TaskFacts, GenerationResult, str | None]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    told: list[tuple[TaskFacts, Told]] = field(default_factory=list)
    named: list[TaskFacts] = field(default_factory=list)

    @property
    def tasks(self) -> list[Key]:
        """Who tells of it, the submitter first."""
        heard = [task.key for task, _ in self.submissions]
        heard += [task.key for task in self.named]
        heard += [task.key for task, _ in self.told]
        heard += [task.key for task, _, _ in self.results]
        heard += [place.task for place in self.places]
        return list(dict.fromkeys(heard))


def _by_request(tasks: Iterable[TaskFacts]) -> dict[str, _Heard]:
    heard: dict[str, _Heard] = {}

    def of(request_id: str) -> _Heard:
        return heard.setdefault(request_id, _Heard())

    for task in tasks:
        for submission in task.record.submissions if task.record else ():
            if submission.request_id is not None:
                of(submission.request_id).submissions.append((task, submission))
        for request_id in task.request_ids:
            of(request_id).named.append(task)
        for told in task.progress:
            of(told.request_id).told.append((task, told))
        for found in task.results:
            of(found.result.request_id).results.append((task, found.result, found.model_id))
        for copy in task.copies:
            of(copy.request_id).places.append(Place(copy, task.key))
    return heard


def _clip(request_id: str, heard: _Heard, run: RunFacts) -> Clip:
    submission = heard.submissions[-1][1] if heard.submissions else None
    result = next((r for _, r, _ in heard.results if r.state is RequestState.SUCCEEDED), None)
    told = max((t for _, t in heard.told), key=lambda t: t.at or "", default=None)
    state = _state(submission, result, heard, told)
    fields = _fields(heard, run)
    model_ids = [submission.model_id if submission else None, *(m for _, _, m in heard.results), fields.get("model_id")]
    clip = Clip(
        request_id,
        state,
        heard.tasks,
        model_id=next((model_id for model_id in model_ids if isinstance(model_id, str) and model_id), None),
        inputs=submission.inputs if submission else fields.get("inputs"),
        times=times_of(submission, result, told),
        cost_usd=_cost(submission, result, told),
        files=files_of(result.media if result else (), heard.places),
    )
    if state in (RequestState.IN_QUEUE, RequestState.IN_PROGRESS) and told:
        clip.told_at = told.at
        clip.queue_position = told.queue_position if state == RequestState.IN_QUEUE else None
    if state not in (RequestState.SUCCEEDED, *_WAITING):
        clip.error = (submission.detail if submission else None) or (told.error if told else None)
    if state in _FAILED and not clip.error:
        clip.error = "The log of the task says why."
    if not (result or heard.places) and not _is_awaited(heard, run):
        clip.attention = _attention(clip, heard, run)
        if state in (RequestState.IN_QUEUE, RequestState.IN_PROGRESS) or (clip.attention and state in _WAITING):
            # So it was when a task looked last; nobody does any more.
            clip.state = RequestState.UNKNOWN.value
    return clip


_WAITING = (RequestState.IN_QUEUE, RequestState.IN_PROGRESS, "submitted")
_FAILED = (Outcome.FAILED, Outcome.MODERATED)


def _state(submission: Submission | None, result: GenerationResult | None, heard: _Heard, told: Told | None) -> str:
    if result or heard.places:
        return RequestState.SUCCEEDED.value
    if submission and submission.outcome is not None:
        return submission.outcome.value
    if told is None:
        return "submitted"
    # `completed` is an end, and not yet a result.
    has_ended = told.state in (RequestState.COMPLETED, RequestState.SUCCEEDED, RequestState.UNKNOWN)
    return RequestState.IN_PROGRESS.value if has_ended else told.state.value


def _cost(submission: Submission | None, result: GenerationResult | None, told: Told | None) -> float | None:
    costs = (
        result.cost_usd if result else None,
        submission.cost_usd if submission else None,
        told.cost_usd if told else None,
    )
    # A record may have been edited by a person, too: what nothing can cost would make the sum infinite.
    return next((usable for given in costs if (usable := cost(given)) is not None), None)


def _fields(heard: _Heard, run: RunFacts) -> Mapping[str, Any]:
    for key in heard.tasks:
        if (task := run.tasks.get(key)) and "inputs" in task.fields:
            return task.fields
    return {}


def _is_awaited(heard: _Heard, run: RunFacts) -> bool:
    """Return whether a task of the run is still at it, or may take it up."""
    submitters = [task for task, submission in heard.submissions if _is_last(task, submission)]
    holders = [*submitters, *heard.named, *(task for task, _ in heard.told)]
    if any(task.state in UNFINISHED for task in holders):
        return True
    # A submit hands on the id alone; who waits for it comes after it.
    return run.state in _LIVE_RUNS and any(task.state == "success" for task in holders)


def _is_last(task: TaskFacts, submission: Submission) -> bool:
    return task.record is not None and task.record.last == submission


def _attention(clip: Clip, heard: _Heard, run: RunFacts) -> str | None:
    # A task that does not wait, which is what a deadline tells, has done its part with the id.
    done = [s for task, s in heard.submissions if task.state == "success" and _is_last(task, s) and s.deadline is None]
    handed_on = run.state == "success" and bool(done)
    if clip.state in (*_FAILED, Outcome.CANCELLED) or not heard.submissions:
        return None
    if handed_on and clip.state not in (Outcome.SUCCEEDED, Outcome.GONE):
        return None
    task, submission = heard.submissions[-1]
    return attention.not_handed_over(submission, is_last=_is_last(task, submission))


def _without_id(task: TaskFacts) -> list[Clip]:
    """Return what is known of submits without an id, and of a record that cannot be read."""
    if task.record_error:
        return [Clip(None, "unknown_submission", [task.key], attention=attention.unreadable(task.record_error))]
    clips = []
    for submission in task.record.submissions if task.record else ():
        if submission.is_unknown:
            is_now = task.state == "running" and _is_last(task, submission)
            clips.append(
                Clip(
                    None,
                    "submitting" if is_now else "unknown_submission",
                    [task.key],
                    model_id=submission.model_id,
                    inputs=submission.inputs,
                    times=times_of(submission, None, None),
                    attention=None if is_now else attention.unknown_submission(submission),
                )
            )
    return clips
