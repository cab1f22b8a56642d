"""What is used, over time: the meters are read every minute, and days that are too old go once a day."""

from datetime import date

from ..context import Context
from ..services.metering import drop_old, read_meters


class Metering:
    """The rounds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cleared: date | None = None

    async def round(self) -> None:
        """Count what was used since the last round, of this process or the one before."""
        context = self._context
        await context.write(read_meters)
        context.metrics.counted.set(context.clock().timestamp())
        today = context.clock().date()
        if self._cleared != today:
            await context.write(drop_old)
            self._cleared = today
