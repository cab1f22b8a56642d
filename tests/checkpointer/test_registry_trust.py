"""A registry whose certificate is signed by a CA of the company's own."""

import datetime
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubernate_checkpointer.agent import open_registry
from hubernate_checkpointer.config import CheckpointAgent
from hubernate_core.errors import InvalidInput, NotFound, Unavailable


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A registry without images."""
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own for 127.0.0.1; its key is beside it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return tmp_path / "ca.pem"


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """That registry's address."""
    server = HTTPServer(("127.0.0.1", 0), _Empty)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_is_believed_once_its_ca_is_named(url: str, certificate: Path) -> None:
    strict = open_registry(CheckpointAgent(registry_url=url), timeout_s=5)
    with pytest.raises(Unavailable):
        strict.manifest("hubernate/none", "none")
    believing = open_registry(CheckpointAgent(registry_url=url, registry_ca_file=str(certificate)), timeout_s=5)
    with pytest.raises(NotFound):
        believing.manifest("hubernate/none", "none")
    with pytest.raises(NotFound):
        list(believing.download("hubernate/none", f"sha256:{'0' * 64}"))
    strict.close()
    believing.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInput, match=r"registry_ca_file.*bundle\.pem"):
        open_registry(CheckpointAgent(registry_ca_file=str(path)), timeout_s=5)
