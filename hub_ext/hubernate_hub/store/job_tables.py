"""The table of jobs."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from .columns import id_column, metadata, moment

jobs = Table(
    "jobs",
    metadata,
    id_column(primary_key=True),  # chosen by the client
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("user", String(255), nullable=False),
    Column("hub_name", String(255), nullable=False),
    Column("request", JSON, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("cancelled_by", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("profile", JSON, nullable=False),  # the profile as it was when it was asked for
    id_column("server_id"),  # whose environment it runs in; null: no server's
    id_column("operation_id"),  # the save that it waits for, or waited for
    id_column("checkpoint_id"),
    Column("image", String(500), nullable=False),  # registry/repository@digest; empty until that save is recorded
    Column("exit_code", Integer),
    Column("outputs", JSON, nullable=False),  # what was kept of the newest attempt
    Column("left_out", JSON, nullable=False),  # what was not, and why
    Column("log_bytes", BigInteger, nullable=False),
    id_column("group_id"),  # of the request, to look for
    moment("created_at", nullable=False),
    moment("started_at"),
    moment("finished_at"),
    Column("preempted", Integer, nullable=False, server_default=text("0")),
    moment("preempt_at"),
    Index(None, "state"),
    Index(None, "group_id"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "hub_name", "created_at"),
)

job_attempts = Table(
    "job_attempts",
    metadata,
    id_column("job_id", primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    id_column("tenant_id", nullable=False),
    Column("user", String(255), nullable=False),
    Column("amounts", JSON, nullable=False),  # what it held, by resource
    moment("started_at", nullable=False),
    moment("ended_at"),
    Column("end", String(10), nullable=False),
    Index(None, "ended_at"),
)
"""Attempts whose container ran: what use and cost are counted from."""
