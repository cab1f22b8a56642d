"""The admission policy: what it looks at, for whom, and that a repository's name cannot become an expression."""

import json
import re
from typing import Any

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.manifests.admission import make_admission
from support.manifests import an_admission


def expressions(**changes: Any) -> str:
    policy, _ = make_admission(an_admission(**changes))
    return json.dumps([each["expression"] for each in policy["spec"]["validations"]])


def test_it_holds_in_this_instances_tenant_namespaces_and_denies() -> None:
    policy, binding = make_admission(an_admission())
    assert binding["spec"] == {
        "policyName": "hub1-tenants",
        "validationActions": ["Deny"],
        "matchResources": {
            "namespaceSelector": {
                "matchLabels": {"hubernate.io/instance": "hub1"},
                "matchExpressions": [{"key": "hubernate.io/tenant", "operator": "Exists"}],
            }
        },
    }
    assert policy["metadata"]["name"] == "hub1-tenants"
    assert policy["spec"]["failurePolicy"] == "Fail"
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {"pods", "pods/ephemeralcontainers"}
    assert set(rule["operations"]) == {"CREATE", "UPDATE"}


def test_images_are_the_tenants_own_or_shared_and_end_where_a_name_ends() -> None:
    starts = set(re.findall(r"startsWith\('([^']*)'", expressions()))
    assert starts == {
        "127.0.0.1:5000/t-",
        "127.0.0.1:5000/profiles/", "127.0.0.1:5000/profiles@", "127.0.0.1:5000/profiles:",
        "127.0.0.1:5000/platform/gate/", "127.0.0.1:5000/platform/gate@", "127.0.0.1:5000/platform/gate:",
    }  # fmt: skip
    assert "'127.0.0.1:5000/t-' + namespaceObject.metadata.labels['hubernate.io/tenant'] + '/'" in expressions()
    assert "@sha256:" in expressions()


@pytest.mark.parametrize(
    "changes",
    [
        {"instance": "kube_system"},
        {"registry": "r.example.com') || true || image.startsWith('"},
        {"registry": "r.example.com/path'"},
        {"registry": ""},
        {"registry": "ubuntu"},
        {"repositories": ("r.example.com/profiles' || 'a' == 'a",)},
        {"repositories": ("r.example.com/profiles/",)},
        {"repositories": ("r.example.com/",)},
        {"repositories": ("r.example.com",)},
        {"repositories": ("profiles",)},
        {"repositories": ("",)},
        {"repositories": ("r.example.com/a:v1",)},
        {"repositories": ("r.example.com/a@sha256:" + "a" * 64,)},
        {"repositories": ("user:pass@r.example.com/a",)},
    ],
    ids=str,
)
def test_what_is_no_repository_makes_no_policy(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_admission(an_admission(**changes))
