"""From ``scheme://place/template`` to the store and the template of the keys in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.exceptions import InvalidInputsError

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.store import ObjectStore

_FOLDERS = ("file", "local")
# fsspec takes `*`, `?` and `[` for patterns and `::` for a chain of stores; some take what comes after `?` or `#` for
# a version.
_UNSAFE = re.compile(r"[\\*?\[#\x00-\x1f\x7f\ud800-\udfff]|::")


def open_destination(destination: str, conn_id: str | None) -> tuple[ObjectStore, str]:
    """
    Return the store, and the template of the keys in it.

    :param destination: what stands before the first brace, up to its last slash, is the place; it has to exist.
    :param conn_id: the connection; it may also stand in ``destination``, as ``scheme://conn_id@container/``.
    :raises InvalidInputsError: if this is no destination.
    :raises StorageRefusedError: if the store cannot be opened: no provider, no connection.
    """
    scheme, root, template, conn_id = _parts(destination, conn_id)
    if scheme in _FOLDERS:
        from airflow_provider_runcomfy.transfers.local_store import LocalStore

        return LocalStore(root), template
    from airflow_provider_runcomfy.transfers.object_storage_store import ObjectStorageStore

    return ObjectStorageStore(f"{scheme}://{root}", conn_id=conn_id), template


def _parts(destination: str, conn_id: str | None) -> tuple[str, str, str, str | None]:
    scheme, separator, rest = destination.partition("://")
    scheme = scheme.lower()
    fixed = rest.partition("{")[0]
    root = fixed[: fixed.rfind("/") + 1]
    template = rest[len(root) :]
    if not separator or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise _wrong(destination, "it has to begin as `abfs://container/` or `file:///folder/` do")
    if _UNSAFE.search(rest):
        raise _wrong(destination, "it may hold no `*`, `?`, `[`, `#`, `::`, backslash or control character")
    folders = root.split("/")[1:-1] if scheme in _FOLDERS else root.split("/")[:-1]
    if {"", ".", ".."} & set(folders):
        raise _wrong(destination, "no part of it between slashes may be empty, `.` or `..`")
    if scheme in _FOLDERS:
        if not root.startswith("/"):
            raise _wrong(destination, f"a folder has to be named from the top, as in `{scheme}:///folder/`")
        return scheme, root, template, None
    if not root:
        raise _wrong(destination, "the container has to be named before the first field, with a slash after it")
    named, separator, root = root.rpartition("@") if "@" in folders[0] else ("", "", root)
    if separator and ("." in folders[0].rpartition("@")[2] or not named):
        raise _wrong(destination, "what stands before `@` is taken for a connection: write `abfs://container/...`")
    if named and conn_id and conn_id != named:
        raise _wrong(destination, f"it names the connection {named!r}, and `conn_id` is {conn_id!r}")
    return scheme, root, template, conn_id or named or None


def _wrong(destination: str, why: str) -> InvalidInputsError:
    return InvalidInputsError(f"`destination` cannot be {destination[:200]!r}: {why}. Nothing was copied.")
