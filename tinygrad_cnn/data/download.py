"""Downloads that arrive whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, DownloadError
from ..files import atomic_write

__all__ = ["download", "sha256_of"]

CHUNK = 1 << 16


def download(
    urls: str | Sequence[str],
    path: str | os.PathLike[str],
    sha256: str,
    size: int | None = None,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch a file over http or https, check it, and only then give it its name.

    The addresses are tried in order until one delivers bytes with this SHA-256 checksum (in hexadecimal).
    A file that is already there and right is not fetched again; one that is there and wrong is replaced.
    The bytes go to a temporary file beside `path`, so an interrupted, truncated or corrupted download
    leaves nothing behind.

    Args:
        size: the exact number of bytes, when known: a server that sends more is cut off.
        timeout: seconds of silence after which a server is given up.
        progress: show a progress bar on standard error.

    Raises:
        ArgumentError: no address, or one that is neither http nor https.
        DownloadError: no address delivered the file; says what happened at each.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    for url in urls:
        if not url.lower().startswith(("http://", "https://")):
            raise ArgumentError(f"download: {url!r} is not an http:// or https:// address")
    if not urls:
        raise ArgumentError("download: no address given; pass at least one http:// or https:// address")
    path = Path(path)
    if path.is_file() and sha256_of(path) == sha256.lower():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        try:
            _fetch(url, path, sha256.lower(), size, timeout, progress)
            return path
        except _Failure as failure:
            failures.append(f"{url}: {failure}")
    raise DownloadError(
        f"download: {path.name} did not arrive, and nothing was written ({'; '.join(failures)}); "
        f"try again, or put the file into {path.parent} yourself"
    )


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 checksum of a file, in hexadecimal."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Failure(Exception):
    """Why one address did not deliver."""


def _fetch(url: str, path: Path, sha256: str, size: int | None, timeout: float, progress: bool) -> None:
    import hashlib

    from tqdm import tqdm

    with _open(url, timeout) as response, atomic_write(path) as file:
        announced = response.headers.get("Content-Length", "")
        promised = int(announced) if announced.isdecimal() else None
        if size is not None and promised not in (None, size):
            raise _Failure(f"the server offers {promised} bytes, the file has {size}")
        digest, received = hashlib.sha256(), 0
        bar = tqdm(
            total=size or promised,
            desc=path.name,
            unit="B",
            unit_scale=True,
            disable=not progress,
            leave=False,
        )
        with bar:
            while chunk := _read(response, received):
                received += len(chunk)
                if size is not None and received > size:
                    raise _Failure(f"the server sends more than the {size} bytes of the file")
                digest.update(chunk)
                file.write(chunk)
                bar.update(len(chunk))
        expected = promised if promised is not None else size
        if expected is not None and received < expected:
            raise _Failure(f"the connection was closed after {received} of {expected} bytes")
        if digest.hexdigest() != sha256:
            raise _Failure(f"the {received} bytes received have checksum {digest.hexdigest()}, not {sha256}")


def _open(url: str, timeout: float) -> Any:
    import http.client
    from urllib import error, request

    # only http and https, after a redirect too: build_opener() would add ftp, file and data
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    try:
        return opener.open(request.Request(url, headers={"User-Agent": "tinygrad-cnn"}), timeout=timeout)
    except error.HTTPError as failure:
        failure.close()
        raise _Failure(f"the server answers {failure.code} {failure.reason}") from failure
    except TimeoutError as failure:
        raise _Failure("the server stays silent") from failure
    except (OSError, http.client.HTTPException) as failure:
        raise _Failure(f"no connection ({getattr(failure, 'reason', None) or failure!r})") from failure


def _read(response: Any, received: int) -> bytes:
    import http.client

    try:
        return response.read1(CHUNK)  # what there is, so that the bar moves
    except TimeoutError as failure:
        raise _Failure(f"the server fell silent after {received} bytes") from failure
    except (OSError, http.client.HTTPException) as failure:
        raise _Failure(f"the connection broke after {received} bytes ({failure!r})") from failure
