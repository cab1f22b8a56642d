"""A Kubernetes API server of our own for tests: real HTTP on 127.0.0.1, no cluster.

`server.FakeKube` is the way in. Its answers were compared by hand, request by request, with Kubernetes 1.36; no suite
repeats that yet.
"""
