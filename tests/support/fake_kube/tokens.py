"""Bearer tokens: whose they are, what for, until when; TokenReview and TokenRequest."""

import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from . import status
from .rbac import MASTERS, Subject
from .resources import PODS, SERVICE_ACCOUNTS, Object
from .store import Store

API_AUDIENCE = "https://kubernetes.default.svc"
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_NODE = "authentication.kubernetes.io/node-name"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True)
class Token:
    """What a token stands for. `expires` in Unix seconds; 0: never."""

    subject: Subject
    audiences: tuple[str, ...] = (API_AUDIENCE,)
    expires: float = 0


@dataclass
class Tokens:
    """The tokens that the server knows."""

    store: Store
    admin: str = field(default_factory=lambda: "admin-" + secrets.token_hex(8))
    _known: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known[self.admin] = Token(Subject("kubernetes-admin", (MASTERS,)))

    def user(self, name: str, *groups: str) -> str:
        """A new token of a person."""
        return self._add(Token(Subject(name, groups)))

    def service_account(
        self,
        namespace: str,
        name: str,
        *,
        audiences: tuple[str, ...] = (),
        node: str = "",
        pod: str = "",
        lasts_s: float = 0,
    ) -> str:
        """A new token of a service account; `pod` and `node` bind it, as a projected token is bound."""
        extra: list[tuple[str, tuple[str, ...]]] = [(_CREDENTIAL, (f"JTI={uuid.uuid4()}",))]
        if node:
            extra.append((_NODE, (node,)))
        if pod:
            found = self.store.get(PODS, namespace, pod)
            extra += [(_POD_NAME, (pod,)), (_POD_UID, (found["metadata"]["uid"],))]
        account = self.store.find(SERVICE_ACCOUNTS, namespace, name)
        subject = Subject(
            f"system:serviceaccount:{namespace}:{name}",
            ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
            account["metadata"]["uid"] if account else "",
            tuple(extra),
        )
        return self._add(Token(subject, audiences or (API_AUDIENCE,), time.time() + lasts_s if lasts_s else 0))

    def revoke(self, token: str) -> None:
        """No longer known."""
        del self._known[token]

    def _add(self, token: Token) -> str:
        text = f"token.{secrets.token_hex(16)}.unsigned"  # three parts, as a JSON Web Token has
        self._known[text] = token
        return text

    def who(self, header: str) -> Subject:
        """The subject of an Authorization header; 401 for an unknown token, anonymous without one."""
        kind, _, text = header.partition(" ")
        if not header:
            return Subject("system:anonymous", ("system:unauthenticated",))
        token = self._known.get(text.strip()) if kind.lower() == "bearer" else None
        if token is None or _expired(token) or API_AUDIENCE not in token.audiences:
            raise status.unauthorized()
        return token.subject

    def review(self, asked: Object) -> Object:
        """The TokenReview with its status."""
        spec = asked.get("spec") or {}
        token = self._known.get(spec.get("token", ""))
        wanted = spec.get("audiences") or [API_AUDIENCE]
        answer: Object
        if token is None or _expired(token):
            answer = {"user": {}, "error": "invalid bearer token"}
        elif not (shared := [each for each in wanted if each in token.audiences]):
            listed, targets = (" ".join(f'"{each}"' for each in some) for some in (token.audiences, wanted))
            said = f"token audiences [{listed}] is invalid for the target audiences [{targets}]"
            answer = {"user": {}, "error": f"[invalid bearer token, {said}]"}
        else:
            who = token.subject
            user: Object = {"username": who.user, "uid": who.uid, "groups": list(who.all_groups)}
            if who.extra:
                user["extra"] = {key: list(values) for key, values in who.extra}
            answer = {"authenticated": True, "user": user, "audiences": shared}
        return {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {},
            "spec": spec,
            "status": answer,
        }

    def request(self, namespace: str, name: str, asked: Object) -> Object:
        """The TokenRequest with a new token."""
        self.store.get(SERVICE_ACCOUNTS, namespace, name)
        spec = asked.get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        lasts = spec.get("expirationSeconds", 3600)
        token = self.service_account(
            namespace,
            name,
            audiences=tuple(spec.get("audiences") or ()),
            pod=bound.get("name", "") if bound.get("kind") == "Pod" else "",
            lasts_s=lasts,
        )
        ends = datetime.fromtimestamp(time.time() + lasts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"boundObjectRef": None, **spec, "audiences": spec.get("audiences") or [API_AUDIENCE]},
            "status": {"token": token, "expirationTimestamp": ends},
        }


def _expired(token: Token) -> bool:
    return bool(token.expires) and token.expires < time.time()
