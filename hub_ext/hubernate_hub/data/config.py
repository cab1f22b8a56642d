"""What an admin may tune about sources of data: ``c.DataGateway.…`` in the service's configuration."""

from traitlets import Dict, Float, Integer, List, Unicode
from traitlets.config import Configurable


class DataGateway(Configurable):  # type: ignore[misc]  # traitlets is not typed
    """Access to tenants' sources of data."""

    keys_file = Unicode(
        help="Keys under which credentials of sources are encrypted, JSON, 0600. Default state_dir/secrets/data-keys,"
        " made at the first start where that folder can be written. Back it up: without it every credential must be"
        " entered anew. `hubernate sources rotate-keys` changes the key."
    ).tag(config=True)
    open_networks = List(
        Unicode(),
        [],
        help="Networks inside of which sources may be, such as '10.20.0.0/16' or, for a port, '10.20.0.7/32,port=9000'."
        " Default none: sources are at public addresses. Ports of shells, engines and the cluster (22, 2375, 6443,"
        " 10250 and others) and metadata addresses open by an exact entry with their port only.",
    ).tag(config=True)
    folders = Dict(
        help="Folders of the service's machine that sources of kind 'files' may lie in: name → absolute path. Default"
        " none. Only platform admins register such sources; links in them are not followed.",
    ).tag(config=True)
    ca_file = Unicode(help="PEM bundle that signs stores and databases. Default empty: what this machine trusts.").tag(
        config=True
    )
    workers_per_source = Integer(
        4,
        min=1,
        help="Calls of one source at the same time. Default 4: whoever hangs, hangs in its own four processes.",
    ).tag(config=True)
    workers = Integer(
        32,
        min=1,
        help="Worker processes of all sources together, at most half for one tenant. Default 32, about 50 MB each.",
    ).tag(config=True)
    waiting_per_source = Integer(
        100,
        min=0,
        help="Calls of one source that may wait for a process. Default 100; further ones are told to come back.",
    ).tag(config=True)
    upload_max_bytes = Integer(
        50 * 1024**3, min=1, help="Largest file that may be written, bytes. Default 50 GiB."
    ).tag(config=True)
    queue_s = Float(20, min=0, help="Seconds a call waits for a process. Default 20.").tag(config=True)
    deadline_s = Float(
        30, min=0.1, help="Seconds for a test, listing, sample, schema or query to begin its answer. Default 30."
    ).tag(config=True)
    stall_s = Float(
        60,
        min=0.1,
        help="Seconds without a byte, of source or reader, after which a transfer ends, also an upload. Default 60.",
    ).tag(config=True)
    idle_s = Float(
        60, min=0, help="Seconds a process without work stays, so that the next call begins at once. Default 60."
    ).tag(config=True)
    memory_bytes = Integer(
        512 * 1024**2,
        min=64 * 1024**2,
        help="Memory of a worker process, bytes. Default 512 MiB; a call that needs more fails and says so.",
    ).tag(config=True)
    failures_to_open = Integer(
        3, min=1, help="Failures in a row after which a source is left alone for a while. Default 3."
    ).tag(config=True)
    open_for_s = Float(
        15,
        min=0,
        help="Seconds for which it is left alone the first time; doubled each time, at most 300. Default 15.",
    ).tag(config=True)
    sample_rows = Integer(100, min=1, max=1000, help="Rows of a sample. Default 100.").tag(config=True)
    sample_fresh_s = Float(
        3600, min=0, help="Seconds for which a stored sample or schema is shown without asking again. Default 3600."
    ).tag(config=True)
