"""From where a file is played: from the bucket that it was copied to, else from RunComfy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.errors import DownloadRefusedError
from airflow_provider_runcomfy.ui.files import File, Place
from airflow_provider_runcomfy.ui.own_host import OwnHosts
from airflow_provider_runcomfy.ui.presign import NotPlayableError, presigned
from airflow_provider_runcomfy.ui.trust import StoredAt, stored_at

if TYPE_CHECKING:
    from airflow_provider_runcomfy.ui.found import RunFacts

_NOWHERE = "Nobody knows where this file is any more."


@dataclass(frozen=True)
class Viewing:
    """
    What is allowed to whoever looks: by Airflow's configuration, and by how the browser reaches Airflow.

    :param buckets: URIs below which copies may be shown on a manifest's word.
    :param hosts: domains that files may be played from at RunComfy, subdomains included.
    :param own: the host names of this Airflow.
    """

    buckets: Sequence[str]
    hosts: Sequence[str]
    own: OwnHosts

    def stored_at(self, place: Place, run: RunFacts) -> StoredAt | None:
        """Return the object of a copy, if it may be shown."""
        return stored_at(place, run.tasks.get(place.task), self.buckets)

    def source_of(self, file: File, run: RunFacts) -> str | None:
        """Return from where it would be played: ``s3``, ``gs``, ``runcomfy``; None from nowhere."""
        for place in file.places:
            if at := self.stored_at(place, run):
                return at.scheme
        return "runcomfy" if file.url else None

    def url_of(self, file: File, run: RunFacts, request_id: str) -> str:
        """
        Return the URL to play a file from.

        :raises NotPlayableError: if there is none.
        """
        problems = []
        for place in file.places:
            try:
                return self.url_of_copy(place, run)
            except NotPlayableError as error:
                problems.append(str(error))
        if file.url is None:
            raise NotPlayableError(" ".join(dict.fromkeys(problems)) or _NOWHERE)
        return self._at_runcomfy(file.url, request_id)

    def url_of_copy(self, place: Place, run: RunFacts) -> str:
        """
        Return the URL to read one copy from.

        :raises NotPlayableError: if there is none.
        """
        at = self.stored_at(place, run)
        if at is None:
            raise NotPlayableError(
                f"Nothing vouches for it that a task has stored {place.copy.uri}, or it is in a store whose files this "
                "page cannot show. Buckets that it may show are named in Airflow's option [runcomfy] ui_buckets."
            )
        return presigned(at, self.own)

    def _at_runcomfy(self, url: str, request_id: str) -> str:
        # A loopback address is the sandbox, and means the viewer's own machine: only where Airflow is there, too.
        policy = DownloadPolicy(hosts=tuple(self.hosts), allow_loopback_http=self.own.are_local)
        try:
            policy.check(url, request_id=request_id)
        except DownloadRefusedError as error:
            raise NotPlayableError(
                "It is at a host that this page does not send browsers to; RunComfy's are named in Airflow's option "
                "[runcomfy] ui_media_hosts."
            ) from error
        safe = self.own.without_cookies(url)
        if safe is None:
            raise NotPlayableError("It has the host name of this Airflow, to which a browser would send its cookies.")
        return safe
