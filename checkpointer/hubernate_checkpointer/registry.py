"""The registry's HTTP API, for one registry: manifests and small blobs. `upload.py` moves the large ones.

Source: OCI distribution-spec 1.1; token flow: distribution.github.io/distribution/spec/auth/token.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from urllib.parse import urlencode, urljoin

import httpx

from hubernate_core.errors import Broken, HubernateError, NotAllowed, NotFound, Unavailable, shorten

from .download import read_url
from .patience import Full

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_ACCEPT = ", ".join((OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST))
_SMALL_MAX = 8 * 1024 * 1024
_CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's exact bytes."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """Its digest."""
        return digest_of(self.body)


def digest_of(body: bytes) -> str:
    """``sha256:…`` of `body`."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Registry:
    """One registry. Thread-safe.

    Args:
        url: scheme, host and port, such as ``http://127.0.0.1:5000``.
        login: returns ``(user, password)`` or None; asked again whenever the registry refuses, since it may change.
        timeout_s: longest silence of the registry.
        ca_file: PEM bundle that is believed beside the public ones; empty: these alone.

    Every method raises Unavailable (silence, 429, 5xx), Full (507), NotAllowed (401, 403) or NotFound (404).
    """

    def __init__(
        self, url: str, login: Callable[[], tuple[str, str] | None], timeout_s: float = 30, ca_file: str = ""
    ) -> None:
        self.url = url.rstrip("/")
        self._login = login
        self._timeout_s = timeout_s
        self._tokens: dict[str, str] = {}
        self._lock = Lock()
        limits = httpx.Limits(max_connections=8, max_keepalive_connections=4)
        self._trusted = httpx.create_ssl_context(trust_env=False)
        if ca_file:
            self._trusted.load_verify_locations(ca_file)
        timeout = httpx.Timeout(timeout_s, connect=5)
        self.client = httpx.Client(timeout=timeout, limits=limits, trust_env=False, verify=self._trusted)

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest of a tag or digest. Broken when its bytes have another digest than asked for."""
        answer = self.send("GET", repository, f"manifests/{reference}", headers={"Accept": _ACCEPT})
        found = Manifest(answer.content, answer.headers.get("Content-Type", "").split(";")[0])
        if reference.startswith("sha256:") and found.digest != reference:
            raise Broken(f"the registry answered {reference} of {repository} with other bytes", repository=repository)
        return found

    def has_manifest(self, repository: str, digest: str) -> bool:
        """Whether the manifest is there."""
        return self._there(repository, f"manifests/{digest}", {"Accept": _ACCEPT}) is not None

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under a tag or its digest."""
        self.send(
            "PUT",
            repository,
            f"manifests/{reference}",
            content=manifest.body,
            headers={"Content-Type": manifest.media_type},
        )

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest and the tags on it; nothing happens when it is not there."""
        try:
            self.send("DELETE", repository, f"manifests/{digest}")
        except NotFound:
            return

    def blob_size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob, None when it is not there."""
        answer = self._there(repository, f"blobs/{digest}", {})
        return None if answer is None else int(answer.headers.get("Content-Length", 0))

    def blob(self, repository: str, digest: str) -> bytes:
        """A small blob's content, checked."""
        answer = self.send("GET", repository, f"blobs/{digest}")
        if len(answer.content) > _SMALL_MAX or digest_of(answer.content) != digest:
            raise Broken(f"blob {digest} of {repository} has other bytes than its digest says", repository=repository)
        return answer.content

    def download(self, repository: str, digest: str) -> Iterator[memoryview]:
        """A blob's content in large pieces, each valid until the next."""
        where, headers = self.locate(repository, f"blobs/{digest}"), self.authorisation(repository)
        return read_url(where, headers, self._timeout_s, self._trusted)

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Make the blob of `source` appear in `repository` without moving it; False when the registry would not."""
        query = urlencode({"mount": digest, "from": source})
        answer = self.send("POST", repository, f"blobs/uploads/?{query}", scopes=(source,))
        if answer.status_code == httpx.codes.CREATED:
            return True
        location = answer.headers.get("Location")
        if location:  # it opened an upload instead
            self.send("DELETE", repository, location)
        return False

    def _there(self, repository: str, path: str, headers: dict[str, str]) -> httpx.Response | None:
        try:
            return self.send("HEAD", repository, path, headers=headers)
        except NotFound:
            return None

    def send(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | Callable[[], Iterable[bytes]] | None = None,
        scopes: tuple[str, ...] = (),
    ) -> httpx.Response:
        """One request below ``/v2/repository/`` (or to an absolute location), with login when asked for it.

        Args:
            content: bytes, or a function that gives the stream anew for each attempt.
            scopes: more repositories to read from.
        """
        url = self.locate(repository, path)
        for attempt in (1, 2):
            sent = dict(headers or {})
            if token := self._tokens.get(repository):
                sent["Authorization"] = token
            body = content() if callable(content) else content
            try:
                answer = self.client.request(method, url, headers=sent, content=body)
            except httpx.TransportError as problem:
                raise Unavailable(
                    f"the registry at {self.url} does not answer: {_say(problem)}", repository=repository
                ) from problem
            if (
                answer.status_code == httpx.codes.UNAUTHORIZED
                and attempt == 1
                and self.authorise(repository, answer, scopes)
            ):
                continue
            break
        check(answer, f"{method} {path[:60]}", repository)
        return answer

    def locate(self, repository: str, path: str) -> str:
        """The full address of `path`; a location on another host is refused, since it would get our login."""
        if not path.startswith(("http://", "https://", "/")):
            return f"{self.url}/v2/{repository}/{path}"
        url = urljoin(self.url + "/", path)
        if httpx.URL(url).host != httpx.URL(self.url).host:
            raise Broken(f"the registry sends uploads of {repository} to another host", repository=repository)
        return url

    def authorisation(self, repository: str) -> dict[str, str]:
        """The header that authorises a request to `repository`; empty before the registry asked for one."""
        token = self._tokens.get(repository)
        return {"Authorization": token} if token else {}

    def authorise(self, repository: str, answer: httpx.Response, scopes: tuple[str, ...] = ()) -> bool:
        """Get what a 401 asks for; False when that is nothing we can give."""
        kind, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        login = self._login()
        if kind.lower() == "basic" and login is not None:
            token = httpx.BasicAuth(*login)._auth_header
        elif kind.lower() == "bearer":
            wanted = dict(_CHALLENGE.findall(rest))
            token = f"Bearer {self._fetch_token(wanted, repository, login, scopes)}"
        else:
            return False
        with self._lock:
            self._tokens[repository] = token
        return True

    def _fetch_token(
        self, wanted: dict[str, str], repository: str, login: tuple[str, str] | None, scopes: tuple[str, ...]
    ) -> str:
        scope = [f"repository:{repository}:pull,push", *(f"repository:{each}:pull" for each in scopes)]
        query = urlencode([("service", wanted.get("service", "")), *(("scope", each) for each in scope)])
        try:
            answer = self.client.get(f"{wanted.get('realm', '')}?{query}", auth=login)
        except (httpx.TransportError, httpx.InvalidURL) as problem:
            raise Unavailable(f"the registry's token server: {_say(problem)}", repository=repository) from problem
        check(answer, "token", repository)
        body = answer.json()
        return str(body.get("token") or body.get("access_token") or "")


def check(answer: httpx.Response, what: str, repository: str) -> None:
    """Raise what `answer` means unless it is a success.

    Raises:
        Unavailable, Full, NotAllowed, NotFound, Broken: see the class.
    """
    status = answer.status_code
    if status < 400:
        return
    said = shorten(answer.text, 160) if answer.is_closed or answer.is_stream_consumed else ""
    text = f"registry answered {status} to {what} {said}".rstrip()
    if status == httpx.codes.INSUFFICIENT_STORAGE or "no space left" in said:
        raise Full(f"the registry's disk is full ({text}); delete old checkpoints or enlarge it", repository=repository)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NotAllowed(f"the registry refuses our login ({text})", repository=repository)
    if status == httpx.codes.NOT_FOUND:
        raise NotFound(text, repository=repository)
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        raise Unavailable(text, retry_after_s=_retry_after(answer), repository=repository)
    raise refusal(text, repository)


def refusal(text: str, repository: str) -> HubernateError:
    """What a plain 4xx means: one of us two is wrong."""
    return Broken(text, repository=repository)


def _retry_after(answer: httpx.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None


def _say(problem: Exception) -> str:
    return shorten(str(problem) or type(problem).__name__, 120)
