"""Package mirrors, proxies and the CA bundle of this machine: found, checked, written down for builds and notebooks.

Only whole replacements of an index are taken over. An extra index beside the public one lets anybody who registers a
private package's name there take its place, so those stay on this machine.
"""

import configparser
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from hubernate_core.errors import InvalidInput, Unavailable
from hubernate_core.platform_file import Mirrors

SYSTEM_BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))
SUITE = "bookworm"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Found:
    """What this machine uses itself. URLs may hold credentials: they go into build stages, never into an image."""

    pip_index: str = ""
    npm_registry: str = ""
    apt_mirror: str = ""
    ca_bundle: Path | None = None
    proxies: tuple[tuple[str, str], ...] = ()


def find_mirrors(env: Mapping[str, str], pip: Mapping[str, str], npm: Mapping[str, str], apt_sources: str) -> Found:
    """The mirrors to use, from our variables first, then from the configuration of `pip`, `npm` and apt.

    Args:
        env: environment; `HUBERNATE_{PIP_INDEX_URL,NPM_REGISTRY,APT_MIRROR,CA_BUNDLE}` win over everything.
        pip: `pip config list` without sections: ``{"index-url": …, "cert": …}``.
        npm: `npm config`: ``{"registry": …, "cafile": …}``; empty where npm is not there or has its defaults.
        apt_sources: text of this machine's apt sources if it is a Debian, else empty.

    Raises:
        InvalidInput: a URL that is no http(s) URL, or a bundle that is none.
    """
    index = env.get("HUBERNATE_PIP_INDEX_URL") or _web(env.get("PIP_INDEX_URL") or pip.get("index-url", ""))
    registry = env.get("HUBERNATE_NPM_REGISTRY") or _web(npm.get("registry", ""))
    apt = env.get("HUBERNATE_APT_MIRROR") or first_apt_mirror(apt_sources)
    for name, url in (("PIP_INDEX_URL", index), ("NPM_REGISTRY", registry), ("APT_MIRROR", apt)):
        if url and (not _web(url) or any(char.isspace() or char in "\"'\\" for char in url)):
            raise InvalidInput(f"HUBERNATE_{name}", "write an http:// or https:// URL without spaces or quotes")
    own = env.get("HUBERNATE_CA_BUNDLE")
    if own:
        bundle: Path | None = check_bundle(Path(own))
    else:
        named = (
            env.get("SSL_CERT_FILE"),
            env.get("PIP_CERT") or pip.get("cert"),
            env.get("REQUESTS_CA_BUNDLE"),
            npm.get("cafile"),
        )
        candidates = [*(Path(path) for path in named if path), *SYSTEM_BUNDLES]
        bundle = next((check_bundle(path) for path in candidates if path.is_file()), None)
    proxies = tuple((name, env.get(name) or env.get(name.lower()) or "") for name in _PROXIES)
    return Found(index, registry, apt, bundle, tuple(pair for pair in proxies if pair[1]))


def _web(url: str) -> str:
    """`url` if it is one that a container can reach too, otherwise empty (``file:`` indexes stay on this machine)."""
    return url if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname else ""


def check_bundle(path: Path) -> Path:
    """`path` if it is a PEM bundle of certificates.

    Raises:
        InvalidInput: unreadable, no certificate in it, or a private key, which must never reach a container.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as problem:
        raise InvalidInput("HUBERNATE_CA_BUNDLE", f"{path} cannot be read: {problem.strerror}") from problem
    if "-----BEGIN CERTIFICATE-----" not in text and "-----BEGIN TRUSTED CERTIFICATE-----" not in text:
        raise InvalidInput("HUBERNATE_CA_BUNDLE", f"{path} holds no certificate in PEM form")
    if "PRIVATE KEY-----" in text:
        raise InvalidInput("HUBERNATE_CA_BUNDLE", f"{path} holds a private key; give a file with certificates only")
    return path.resolve()


def first_apt_mirror(sources: str) -> str:
    """The first http(s) archive in apt sources of either format (sources.list(5)), or empty."""
    for line in sources.splitlines():
        match = re.match(r"\s*(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(https?://[^\s#]+)", line)
        if match and "security" not in match[1]:
            return match[1].rstrip("/")
    return ""


def without_credentials(url: str) -> str:
    """`url` without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def for_notebooks(found: Found, reach: str) -> Mirrors:
    """What notebooks get: variables for pip, uv, npm and proxies, and where the CA bundle lies.

    Args:
        reach: addresses that must not go through a proxy, separated by commas.
    """
    env: dict[str, str] = {}
    if found.pip_index:
        env |= {"PIP_INDEX_URL": found.pip_index, "UV_DEFAULT_INDEX": found.pip_index}
    if found.npm_registry:
        env["NPM_CONFIG_REGISTRY"] = found.npm_registry
    env |= dict(found.proxies)
    if found.proxies:
        env["NO_PROXY"] = ",".join(part for part in (env.get("NO_PROXY", ""), reach) if part)
    return Mirrors(env=env, ca_bundle=str(found.ca_bundle) if found.ca_bundle else None)


def build_files(found: Found, folder: str = "/build/mirrors") -> dict[str, bytes]:
    """Configuration of pip, npm and apt for build stages, as files of `folder` in the stage."""
    proxies = dict(found.proxies)
    web_proxy = proxies.get("HTTPS_PROXY") or proxies.get("HTTP_PROXY")
    pip, apt, npm = ["[global]", "timeout = 60"], ['Acquire::Retries "3";'], ["fund=false"]
    if found.npm_registry:
        npm.append(f"registry={found.npm_registry}")
    if found.ca_bundle:
        npm.append(f"cafile={folder}/ca.crt")
        pip.append(f"cert = {folder}/ca.crt")
        apt.append(f'Acquire::https::CAInfo "{folder}/ca.crt";')
    if found.pip_index:
        # "%" is interpolation to pip's parser.
        pip.append(f"index-url = {found.pip_index.replace('%', '%%')}")
    if web_proxy:
        pip.append(f"proxy = {web_proxy.replace('%', '%%')}")
        npm += [f"proxy={web_proxy}", f"https-proxy={web_proxy}"]
        apt += [f'Acquire::{scheme}::Proxy "{web_proxy}";' for scheme in ("http", "https")]
    files = {
        "ca.crt": found.ca_bundle.read_bytes() if found.ca_bundle else b"",
        "pip.conf": "\n".join([*pip, ""]).encode(),
        "npmrc": "\n".join([*npm, ""]).encode(),
    }
    if found.apt_mirror:
        apt += [f'Dir::Etc::sourcelist "{folder}/sources.list";', 'Dir::Etc::sourceparts "-";']
        files["sources.list"] = sources_list(found.apt_mirror).encode()
    return files | {"apt.conf": "\n".join([*apt, ""]).encode()}


def sources_list(mirror: str) -> str:
    """A sources.list of our suite at `mirror`; with security updates where the mirror lies as Debian's own do."""
    mirror = mirror.rstrip("/")
    lines = [f"deb {mirror} {SUITE} main", f"deb {mirror} {SUITE}-updates main"]
    if mirror.endswith("/debian"):
        lines.append(f"deb {mirror}-security {SUITE}-security main")
    return "\n".join([*lines, ""])


def ask_machine(env: Mapping[str, str], pip_command: list[str], npm_command: list[str]) -> Found:
    """`find_mirrors` with what pip, npm and apt of this machine answer."""
    return find_mirrors(env, _pip_config(pip_command), _npm_config(npm_command), _apt_sources())


def _pip_config(command: list[str]) -> dict[str, str]:
    answer = subprocess.run([*command, "config", "list"], capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        raise Unavailable(f"pip does not tell its configuration: {answer.stderr.strip()}")
    pairs = re.findall(r"^(global|install|:env:)\.([a-z-]+)='(.*)'$", answer.stdout, re.MULTILINE)
    return {key: value for _, key, value in sorted(pairs, key=lambda pair: pair[0] == ":env:")}


def _npm_config(command: list[str]) -> dict[str, str]:
    if shutil.which(command[0]) is None:
        return {}
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
    answer = subprocess.run([*command, "config", "list"], capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        raise Unavailable(f"npm does not tell its configuration: {answer.stderr.strip()[:300]}")
    parser.read_string("[npm]\n" + "\n".join(re.findall(r"^\w+ = .*$", answer.stdout, re.MULTILINE)))
    return {key: value.strip('"') for key, value in parser["npm"].items() if key in ("registry", "cafile")}


def _apt_sources() -> str:
    release = Path("/etc/os-release")
    if not release.is_file() or "ID=debian\n" not in release.read_text() + "\n":
        return ""
    folder = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
