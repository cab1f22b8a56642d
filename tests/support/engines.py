"""Which engines a test runs on: ``@on_both_engines`` for what holds on either, Docker alone otherwise."""

import pytest

on_both_engines = pytest.mark.parametrize("node", ["docker", "containerd"], indirect=True)
on_containerd = pytest.mark.parametrize("node", ["containerd"], indirect=True)
