"""Admins of teams govern their own sources, never the platform's folders; what they do is written down."""

from .conftest import Platform

CANARY = "canary-5d1"


def test_a_tenant_admin_governs_their_tenants_sources_and_is_written_down(platform: Platform) -> None:
    assert platform.root("PUT", "/tenants/physics/members/nina", json={"role": "admin"}).status_code == 200
    nina = platform.service.person("nina")
    base, place = "/tenants/physics/sources", {"kind": "http", "url": "https://data.example.com/"}
    body = {"source": {"name": "web", "place": place}, "credential": {"values": {"token": CANARY}}}
    assert nina("POST", base, json=body).status_code == 201
    assert nina("PUT", f"{base}/web/credential", json={"values": {"token": CANARY}}).status_code == 200
    assert nina("POST", "/tenants/biology/sources", json=body).status_code == 404
    assert nina("DELETE", f"{base}/web").status_code == 204
    written = nina("GET", "/tenants/physics/audit")
    deeds = [each["action"] for each in written.json()["items"] if each["actor"] == "nina"]
    assert deeds == ["source.remove", "source.credential", "source.add"]
    assert CANARY not in written.text


def test_folders_of_the_machine_are_the_platform_admins(platform: Platform) -> None:
    assert platform.root("PUT", "/tenants/physics/members/nina", json={"role": "admin"}).status_code == 200
    nina, base = platform.service.person("nina"), "/tenants/physics/sources"
    source = {"name": "files", "place": {"kind": "files", "folder": "shared"}}
    refused = nina("POST", base, json={"source": source})
    assert refused.status_code == 403 and "platform admin" in refused.json()["detail"]
    unknown = nina("POST", base, json={"source": source | {"place": {"kind": "files", "folder": "nothing"}}})
    assert (unknown.status_code, unknown.json()["detail"]) == (403, refused.json()["detail"]), (
        "which there are is not told"
    )
    web = {"name": "web", "place": {"kind": "http", "url": "https://data.example.com/"}}
    assert nina("POST", base, json={"source": web, "credential": {"values": {"token": CANARY}}}).status_code == 201
    assert nina("PUT", f"{base}/web", json=source | {"name": "web"}).status_code == 403, "nor by changing another"
    assert platform.root("POST", base, json={"source": source}).status_code == 201
