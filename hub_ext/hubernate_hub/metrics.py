"""Numbers for Prometheus, which admins of the platform read. No label names a person or a server; tenants are named in
three gauges only, and no more of them than the admin allows."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hubernate_core.operation import Operation

_SECONDS = (0.005, 0.02, 0.1, 0.5, 2, 10, 60)
_LONG_SECONDS = (1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """One registry per service, so that tests may run several."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Histogram(
            "hubernate_request_seconds", "Time to answer", ["route", "status"], registry=registry, buckets=_SECONDS
        )
        self.operations = Counter(
            "hubernate_operations_ended_total", "Operations by end", ["kind", "trigger", "outcome"], registry=registry
        )
        self.durations = Histogram(
            "hubernate_operation_seconds", "Request to end", ["kind"], registry=registry, buckets=_LONG_SECONDS
        )
        self.open = Gauge("hubernate_operations_open", "Open operations", ["kind", "step"], registry=registry)
        self.servers = Gauge("hubernate_servers", "Servers by state", ["state"], registry=registry)
        self.failed = Gauge("hubernate_saves_failed", "Servers whose newest save failed", registry=registry)
        self.checkpoints = Gauge("hubernate_checkpoints", "Recorded checkpoints", registry=registry)
        self.bytes = Gauge("hubernate_checkpoint_bytes", "Compressed bytes of their layers", registry=registry)
        self.agents = Gauge("hubernate_agent_silent_seconds", "Since an agent's last poll", ["node"], registry=registry)
        self.sleep_due = Gauge("hubernate_servers_due_to_sleep", "Idle servers, at the last look", registry=registry)
        self.refused = Counter(
            "hubernate_starts_over_quota_total", "Starts refused, by whose limit", ["scope"], registry=registry
        )
        self.queue = Gauge("hubernate_queue_length", "Starts that wait, by tenant", ["tenant"], registry=registry)
        self.waited = Histogram(
            "hubernate_queue_seconds",
            "Time in the queue, by its end",
            ["end"],
            registry=registry,
            buckets=_LONG_SECONDS,
        )
        self.tenant_used = Gauge(
            "hubernate_tenant_used",
            "What a tenant uses, in the resource's unit (millicores, bytes, pieces)",
            ["tenant", "resource"],
            registry=registry,
        )
        self.tenant_limit = Gauge(
            "hubernate_tenant_limit",
            "What a tenant may use, in the same unit",
            ["tenant", "resource"],
            registry=registry,
        )
        self.tenant_cost = Gauge(
            "hubernate_tenant_cost",
            "What a tenant's use of this UTC month costs so far, by the price list",
            ["tenant", "currency"],
            registry=registry,
        )
        self.counted = Gauge(
            "hubernate_usage_counted_timestamp_seconds", "When use was counted last, Unix time", registry=registry
        )
        self.reports_refused = Counter("hubernate_reports_refused_total", "Agents' reports refused", registry=registry)
        self.put_right = Counter(
            "hubernate_objects_put_right_total",
            "Objects in tenants' namespaces that somebody else changed or deleted, and that were put right",
            ["kind"],
            registry=registry,
        )
        self.loop_failures = Counter(
            "hubernate_loop_failures_total",
            "Rounds of a loop that failed, wholly or for one server",
            ["loop"],
            registry=registry,
        )

    def operation_ended(self, operation: Operation) -> None:
        """Count an operation that just ended."""
        self.operations.labels(operation.kind, operation.trigger, operation.outcome or "").inc()
        if operation.finished_at is not None:
            taken = operation.finished_at - operation.requested_at
            self.durations.labels(operation.kind).observe(taken.total_seconds())

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)
