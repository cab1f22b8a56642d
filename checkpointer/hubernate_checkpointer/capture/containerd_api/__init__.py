"""Messages of containerd's and CRI's gRPC APIs, as far as the agent uses them: `*.proto` is ours, `*_pb2.py` is
generated from it by ``tools/protos``.

Fields that a message does not name are skipped by whoever reads it, so each file holds only what is used.
"""
