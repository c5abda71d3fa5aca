"""The record of what a task instance has submitted; it belongs to no try, and it only grows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from airflow_provider_runcomfy.api.ids import is_request_id
from airflow_provider_runcomfy.api.plain_json import short_repr

VERSION = 1
# To how many characters each text is cut, until the inputs are small enough.
_LONGEST_TEXTS = (2000, 500, 100)
# Airflow's REST API takes 64 KiB of JSON: more, and a person could not settle an unknown submission in the UI.
_LARGEST_INPUTS = 8 << 10
_LARGEST_RECORD = 56 << 10
_DEEPEST = 50
# Of whole ones: what Airflow's supervisor, and most databases, can hold.
_LARGEST_NUMBER = 2**63 - 1
_EXPIRED = "RunComfy does not have it any more"
# A name or password in a URL, whatever its scheme.
_USER = re.compile(r"(://)[^\s/?#]*@")
_QUERY = re.compile(r"(https?://[^\s?]*\?)\S+", re.IGNORECASE)


class Outcome(StrEnum):
    """What became of a submission; none yet while it waits, runs, or is not known."""

    REFUSED = "refused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MODERATED = "moderated"
    CANCELLED = "cancelled"
    GONE = "gone"


@dataclass(frozen=True)
class Submission:
    """
    One POST: written as an intent before it is sent, completed after.

    :param intent_at: when it was about to be sent (ISO 8601).
    :param try_number: the try that sent it.
    :param inputs: as given, cut to a readable size; never a token.
    :param inputs_hash: of the inputs, uncut.
    :param request_id: what RunComfy named it; None while that is not known.
    :param submitted_at: when RunComfy had taken it (seconds since the epoch); for an id that a person wrote into the
        record, once RunComfy has told of it, when it was about to be sent.
    :param deadline: when waiting for it ends (seconds since the epoch).
    :param outcome: what became of it.
    :param detail: the reason, for an outcome that has one.
    :param cost_usd: what it cost, where RunComfy said so.
    """

    intent_at: str
    try_number: int
    model_id: str
    conn_id: str
    inputs: Any
    inputs_hash: str
    request_id: str | None = None
    submitted_at: float | None = None
    deadline: float | None = None
    outcome: Outcome | None = None
    detail: str | None = None
    cost_usd: float | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the POST may have been taken without its id being known."""
        return self.request_id is None and self.outcome is not Outcome.REFUSED

    @property
    def is_adopted(self) -> bool:
        """Whether a person wrote the id into the record, and RunComfy has not told of it yet."""
        untold = self.submitted_at is None and self.outcome in (None, Outcome.GONE)
        return self.request_id is not None and untold


class MalformedRecordError(ValueError):
    """The stored record is not one that this version of the package can read."""


class LaterRecordError(MalformedRecordError):
    """A later version of the package wrote the stored record: one that it was upgraded to can read it."""


@dataclass(frozen=True)
class Record:
    """
    Everything that a task instance has submitted.

    :param max_tries: ``ti.max_tries`` when it last led to a request. Automatic retries never change that, a
        clear does: this is how a retry and a clear are told apart.
    """

    max_tries: int
    submissions: tuple[Submission, ...] = ()

    @property
    def last(self) -> Submission | None:
        """The latest submission that may have been paid."""
        return next((s for s in reversed(self.submissions) if s.outcome is not Outcome.REFUSED), None)

    def adding(self, submission: Submission, *, max_tries: int) -> Record:
        """Return the record with one more submission; the oldest give up their inputs where it grows too large."""
        record = Record(max_tries, (*self.submissions, submission))
        for index, older in enumerate(self.submissions):
            if _size(record.as_json()) <= _LARGEST_RECORD:
                break
            shorter = replace(older, inputs="(left out: the record had grown too large)")
            record = Record(max_tries, (*record.submissions[:index], shorter, *record.submissions[index + 1 :]))
        return record

    def ended(
        self, request_id: str, outcome: Outcome, *, detail: str | None = None, cost_usd: float | None = None
    ) -> Record:
        """Return the record with what became of a request; a success that has expired since stays one."""
        known = next((s for s in reversed(self.submissions) if s.request_id == request_id), None)
        if known is None:
            return self
        if known.outcome is Outcome.SUCCEEDED and outcome is Outcome.GONE:
            return self.changing(request_id, detail=_EXPIRED)
        if detail is None and known.outcome is outcome:
            detail = known.detail
        cost_usd = known.cost_usd if cost_usd is None else cost_usd
        return self.changing(request_id, outcome=outcome, detail=detail, cost_usd=cost_usd)

    def changing(self, request_id: str, **changes: Any) -> Record:
        """Return the record with changes to the newest submission of a request."""
        for index in reversed(range(len(self.submissions))):
            if self.submissions[index].request_id == request_id:
                changed = replace(self.submissions[index], **changes)
                return Record(self.max_tries, (*self.submissions[:index], changed, *self.submissions[index + 1 :]))
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return {
            "version": VERSION,
            "max_tries": self.max_tries,
            "submissions": [asdict(submission) for submission in self.submissions],
        }

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """
        Read a stored record; people edit them, so nothing is taken for granted.

        :raises LaterRecordError: if it is of a later version.
        :raises MalformedRecordError: if it is malformed, or of another version.
        """
        version = data.get("version") if isinstance(data, dict) else None
        if not _is_whole_number(version) or version != VERSION:
            is_later = isinstance(version, int) and version > VERSION
            kind = LaterRecordError if is_later else MalformedRecordError
            raise kind(f"its version is {short_repr(version)}; this package reads version {VERSION}")
        submissions, max_tries = data.get("submissions"), data.get("max_tries")
        if set(data) != {"version", "max_tries", "submissions"} or not isinstance(submissions, list):
            raise MalformedRecordError("it needs version, max_tries and a list of submissions, and nothing else")
        if not _is_whole_number(max_tries):
            raise MalformedRecordError("max_tries is no whole number")
        return cls(max_tries, tuple(_read_submission(index, item) for index, item in enumerate(submissions)))


def request_ids_in(data: Any) -> list[str]:
    """Return the request ids that a record names which cannot be read otherwise; in their order, each once."""
    submissions = data.get("submissions") if isinstance(data, dict) else None
    items = submissions if isinstance(submissions, list) else []
    named: list[Any] = [item.get("request_id") for item in items if isinstance(item, dict)]
    return list(dict.fromkeys(value for value in named if is_request_id(value)))


_TEXTS = ("intent_at", "model_id", "conn_id", "inputs_hash")
_NUMBERS = ("submitted_at", "deadline", "cost_usd")


def _read_submission(index: int, item: Any) -> Submission:
    where = f"submissions[{index}]"
    if not isinstance(item, dict) or set(item) != {field.name for field in fields(Submission)}:
        raise MalformedRecordError(f"{where} has not the fields of a submission")
    if not all(isinstance(item[name], str) for name in _TEXTS):
        raise MalformedRecordError(f"{where}: {', '.join(_TEXTS)} must be text")
    if not _is_whole_number(item["try_number"]):
        raise MalformedRecordError(f"{where}: try_number must be a whole number")
    if not all(item[name] is None or _is_number(item[name]) for name in _NUMBERS):
        raise MalformedRecordError(f"{where}: {', '.join(_NUMBERS)} must be numbers")
    if item["detail"] is not None and not isinstance(item["detail"], str):
        raise MalformedRecordError(f"{where}: detail must be text")
    return Submission(**(item | {"request_id": _read_id(where, item), "outcome": _read_outcome(where, item)}))


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def _is_number(value: Any) -> bool:
    return _is_whole_number(value) or (isinstance(value, float) and math.isfinite(value))


def _read_id(where: str, item: Mapping[str, Any]) -> str | None:
    value = item["request_id"]
    if isinstance(value, str):
        value = value.strip()
    if value is not None and not is_request_id(value):
        raise MalformedRecordError(f"{where}: request_id is no request id")
    return value  # type: ignore[no-any-return]


def _read_outcome(where: str, item: Mapping[str, Any]) -> Outcome | None:
    try:
        return None if item["outcome"] is None else Outcome(item["outcome"])
    except ValueError:
        raise MalformedRecordError(f"{where}: unknown outcome {short_repr(item['outcome'])}") from None


def hash_inputs(inputs: Any) -> str:
    """Return a hash by which two tries' inputs are compared; any value has one."""
    text = json.dumps(_as_json_carries(inputs), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def readable(inputs: Any) -> Any:
    """
    Return inputs as they are recorded, in at most 8 KiB of JSON.

    Long text is cut, and URLs lose what may be a secret: their user and their query, which may be a signature.
    """
    carried = _as_json_carries(inputs)
    for longest in _LONGEST_TEXTS:
        kept = _readable(carried, _DEEPEST, longest)
        if _size(kept) <= _LARGEST_INPUTS:
            return kept
    text = json.dumps(kept)
    # Written as JSON once more, each quote takes two bytes.
    return f"{text[: _LARGEST_INPUTS // 2 - 100]}… ({len(text)} characters)"


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _as_json_carries(inputs: Any) -> Any:
    try:
        return json.loads(json.dumps(inputs, default=_as_object))
    except Exception:
        # No inputs that can be submitted: the check before paying says so.
        return short_repr(inputs)


def _as_object(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else short_repr(value)


def _readable(value: Any, depth: int, longest: int) -> Any:
    if isinstance(value, str):
        return _readable_text(value, longest)
    if isinstance(value, dict) and depth:
        return {_readable_text(key, longest): _readable(item, depth - 1, longest) for key, item in value.items()}
    if isinstance(value, list) and depth:
        return [_readable(item, depth - 1, longest) for item in value]
    if value is None or isinstance(value, bool) or _is_number(value):
        return value
    return _readable_text(short_repr(value), longest)


def _readable_text(text: str, longest: int) -> str:
    # Looking for URLs in more than can be kept would be wasted.
    plain = _QUERY.sub(r"\1…", _USER.sub(r"\1…@", text[: _LONGEST_TEXTS[0] * 4]))
    # Neither NUL nor a lone surrogate comes through Airflow's supervisor and every database.
    plain = plain.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= longest else f"{plain[:longest]}… ({len(text)} characters)"
