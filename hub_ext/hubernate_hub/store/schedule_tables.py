"""The tables of schedules and of what is to be told about them."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from .columns import id_column, metadata, moment

schedules = Table(
    "schedules",
    metadata,
    id_column(primary_key=True),  # chosen by the client
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("user", String(255), nullable=False),
    Column("hub_name", String(255), nullable=False),
    Column("request", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    id_column("server_id"),  # the notebook whose environment it was made in
    id_column("operation_id"),  # the save that it waits for; null once that is over
    id_column("checkpoint_id"),  # what every run starts from
    moment("planned_at", nullable=False),  # the next time that is not decided yet
    moment("held_at"),  # a time that runs once the run before is over
    id_column("job_id"),  # the newest run
    moment("ran_for"),  # the time for which it runs
    Column("judged", Boolean, nullable=False),  # that run is over, and whoever is to be told is being told
    Column("failing", Boolean, nullable=False),  # the newest run that succeeded or failed has failed
    Column("problem", Text, nullable=False),
    Column("untold", Text, nullable=False),  # why somebody could not be told of the newest event
    moment("created_at", nullable=False),
    Index(None, "tenant_id", "created_at"),
    Index(None, "hub_name", "created_at"),
)

notices = Table(
    "notices",
    metadata,
    id_column(primary_key=True),
    id_column("schedule_id", nullable=False),
    id_column("tenant_id", nullable=False),
    Column("channel", String(10), nullable=False),  # webhook or mail
    Column("address", String(1000), nullable=False),
    Column("content", JSON, nullable=False),
    Column("tries", Integer, nullable=False),
    moment("due_at", nullable=False),
    Index(None, "due_at"),
    Index(None, "schedule_id"),
)
"""What is still to be told; a row goes once it was told, or given up."""
