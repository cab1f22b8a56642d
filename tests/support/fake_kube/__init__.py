"""A Kubernetes API server of our own for tests: real HTTP on 127.0.0.1, no cluster.

`server.FakeKube` is the way in. What it answers was compared with Kubernetes 1.36 by
tests/kubernetes/test_fake_kube.py, which runs unchanged against a real cluster.
"""
