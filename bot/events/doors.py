"""Other doors than the form: for what comes by them the App opens the issue, and the run starts from that.

Every handler may run twice for one delivery: an issue is looked for by its marker before it is opened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from bot.github import Issue, Repository
from bot.messages import notices
from bot.parsing.dispatch_payload import Dispatch, read_dispatch
from bot.parsing.form import form_body
from bot.parsing.origin_marker import Door, Origin, digest, read_origin
from bot.parsing.permissions import LEAST_TO_ASK, reaches
from bot.parsing.repository_config import ConfigError, read_config
from bot.runs.labels import REQUEST_LABEL, definitions, state_label
from bot.settings import Settings
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

REMEMBERED = timedelta(days=30)
"""So long a key counts; issues that were not touched since are not looked at."""
CLOCKS_APART = timedelta(days=1)
"""An issue for a slot is looked for from so long before the slot: GitHub's clock is not the App's."""

_ASKING = ("opened", "edited", "labeled", "reopened")

Result = Literal["opened", "invalid", "refused_bot", "refused_permission", "config_broken", "removed"]
Told = Callable[[Door, Result], None]


@dataclass(frozen=True)
class Asker:
    """Who asks for a training.

    Attributes
    ----------
    login
        A person; or the App itself, for a schedule.
    decided
        Whether nobody has to be asked about: whoever may change the default branch has decided on the schedule.
    """

    login: str
    decided: bool = False


class Doors:
    """Opens issues for requests that come by another door.

    Parameters
    ----------
    settings
        The deployment's settings.
    clock
        Says what time it is (UTC).
    told
        Is told what became of each request, by door.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime], told: Told = lambda *_: None) -> None:
        self._secret = settings.webhook_secret.get_secret_value().encode()
        self._clock = clock
        self._told = told

    # --- from an issue to who asked ----------------------------------------------------------------------------------

    async def may_ask(self, action: str | None, payload: Mapping[str, Any], repository: Repository) -> bool:
        """Tell whether news of an issue may be about a request at all, before anything is read of it."""
        if action not in _ASKING:
            return False
        label = (payload.get("label") or {}).get("name", REQUEST_LABEL)
        if action == "labeled" and label != REQUEST_LABEL:
            return False  # who sets another label asks for nothing
        sender = payload["sender"]
        if sender.get("type") == "User":
            return True
        return action in ("opened", "labeled") and sender.get("login") == (await repository.who()).login

    async def asker(self, sender: Mapping[str, Any], issue: Issue, repository: Repository) -> Asker | None:
        """Return who asks by an issue; None where the App itself did something at an issue that it did not open."""
        if sender.get("type") == "User":
            return Asker(str(sender["login"]))
        own = (await repository.who()).login
        origin = read_origin(issue.body, repository.name, self._secret) if issue.author == own else None
        if origin is None:
            return None
        return Asker(origin.by) if origin.by else Asker(own, decided=True)

    # --- repository_dispatch -----------------------------------------------------------------------------------------

    async def dispatched(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        """Open the issue that a dispatch asks for; of one that is wrong, an issue that says so, closed at once."""
        sender = payload["sender"]
        login = str(sender["login"])
        if sender.get("type") != "User":
            # A workflow's own token, say: nobody could tell on whose authority the runner is used.
            log.warning("dispatch %s refused: %s is no person", delivery.id, login)
            self._told("dispatch", "refused_bot")
            return
        permission = await repository.permission(login)
        if not reaches(permission, LEAST_TO_ASK):
            log.warning("dispatch %s refused: %s has the permission %s", delivery.id, login, permission)
            self._told("dispatch", "refused_permission")
            return
        await repository.ensure_labels(definitions())
        dispatch = read_dispatch(payload.get("client_payload"), delivery.id)
        if dispatch.request is None:
            await self._refuse(dispatch, login, repository)
            return
        text = notices.asked_by_dispatch(login, dispatch.key, form_body(dispatch.request))
        origin = Origin("dispatch", digest(dispatch.key), login)
        since = self._clock() - REMEMBERED
        await self._open(origin, f"Train: {dispatch.request.model_name}", text, since, repository)

    async def _refuse(self, dispatch: Dispatch, login: str, repository: Repository) -> None:
        log.warning("dispatch %.50r by %s is wrong in %d ways", dispatch.key, login, len(dispatch.wrong))
        marker = f"wrong:dispatch:{digest(dispatch.key, dispatch.content)}"
        issue = await repository.open_once(
            marker,
            marker,
            self._clock() - REMEMBERED,
            title="A dispatch that could not be read",
            body=notices.dispatch_wrong(login, dispatch.key, dispatch.wrong),
            labels=[state_label("invalid")],
        )
        await repository.close_issue(issue.number, "not_planned")
        self._told("dispatch", "invalid")

    # --- schedules ---------------------------------------------------------------------------------------------------

    async def scheduled(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        """Open the issue of a schedule's slot, with the request as it stands on the default branch now."""
        name, slot = str(payload["schedule"]), datetime.fromisoformat(payload["slot"])
        since = slot - CLOCKS_APART
        try:
            config = await read_config(repository)
        except ConfigError as error:
            marker = f"wrong:schedule:{digest(error.body.reason, error.body.field or '', error.body.found)}"
            title = "Schedules cannot be read"
            text = notices.schedules_broken(error.body)
            await repository.ensure_labels(definitions())
            labels = [state_label("invalid")]
            await repository.open_once(
                marker, marker, self._clock() - REMEMBERED, title=title, body=text, labels=labels
            )
            self._told("schedule", "config_broken")
            return
        schedule = next((one for one in config.schedules if one.name == name), None)
        if schedule is None:
            log.info("%s: the schedule is not there any more", delivery.id)
            self._told("schedule", "removed")
            return
        text = notices.asked_by_schedule(name, schedule.cron, slot, form_body(schedule.request))
        title = f"Train: {schedule.request.model_name} ({name}, {slot:%Y-%m-%d %H:%M} UTC)"
        await repository.ensure_labels(definitions())
        await self._open(Origin("schedule", digest(name, payload["slot"])), title, text, since, repository)

    async def _open(self, origin: Origin, title: str, text: str, since: datetime, repository: Repository) -> None:
        marker = origin.marker(repository.name, self._secret)
        issue = await repository.open_once(marker, origin.sought, since, title=title, body=text, labels=[REQUEST_LABEL])
        log.info("issue %d was opened for a request by %s", issue.number, origin.door)
        self._told(origin.door, "opened")
