"""The rounds of notices: each is sent by a task of its own, so that an address that hangs holds up nobody else."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta

from hubernate_core.errors import InvalidInput, Unavailable

from ..context import Context
from ..jobs.parts import JobParts
from ..notices import mail, webhook
from ..services.schedules import webhook_secret
from ..store import schedules
from ..store.schedules import Notice

_AT_ONCE, _OF_TEAM = 32, 4
_AGAIN = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class NoticeRounds:
    """What is being sent lives in this process (`JobParts.telling`); one that was cut off is sent again."""

    def __init__(self, context: Context, parts: JobParts) -> None:
        self._context, self._parts = context, parts

    async def round(self) -> None:
        """Begin to send what is due, as far as there is room: some for each team, some for all."""
        context = self._context
        self._parts.telling = going = {key: each for key, each in self._parts.telling.items() if not each.done()}
        busy = Counter(each.get_name() for each in going.values())
        for notice in await context.store.read(schedules.due_notices, context.clock(), _OF_TEAM):
            if len(going) >= _AT_ONCE:
                break
            if notice.id not in going and busy[notice.tenant_id] < _OF_TEAM:
                busy[notice.tenant_id] += 1
                going[notice.id] = asyncio.create_task(self._tell(notice), name=notice.tenant_id)

    async def _tell(self, notice: Notice) -> None:
        context = self._context
        try:
            await self._send(notice)
        except InvalidInput as problem:
            await self._drop(notice, problem.reason)
        except Unavailable as problem:
            if notice.tries + 1 >= context.settings.notices.tries:
                await self._drop(notice, problem.message)
            else:
                due_at = context.clock() + _AGAIN * 2**notice.tries
                await context.store.write(schedules.put_off, notice, due_at)
        except Exception:  # noqa: BLE001
            # One that cannot be understood must neither be tried for ever nor end the others.
            _log.exception("a notice failed for a reason of ours", extra={"schedule": notice.schedule_id})
            await self._drop(notice, "the platform failed; its log says more")
        else:
            await self._drop(notice, "")

    async def _drop(self, notice: Notice, problem: str) -> None:
        extra = {"schedule": notice.schedule_id, "channel": notice.channel, "problem": problem}
        _log.info("a notice is done with", extra=extra)
        await self._context.store.write(schedules.drop_notice, notice, problem)

    async def _send(self, notice: Notice) -> None:
        settings = self._context.settings
        if notice.channel == "mail":
            settings.notices.check((notice.address,))
            made = mail.message(settings.notices, notice.address, notice.content)
            await asyncio.get_running_loop().run_in_executor(self._parts.tellers, mail.send, settings.notices, made)
            return
        row = await self._context.store.read(schedules.get, notice.schedule_id)
        if row is None:
            return  # deleted meanwhile: there is nobody to tell
        call = webhook.Call(notice.address, notice.id, notice.content, webhook_secret(self._context.signer, row))
        moment = int(self._context.clock().timestamp())
        rules = webhook.Rules(settings.notices.openings(), settings.data.ca_file, settings.notices.timeout_s)
        await webhook.send(call, rules, moment, self._parts.tellers)
