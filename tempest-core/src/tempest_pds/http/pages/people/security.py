"""What happened to the safety of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.user_agents import describe_client
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.pages.people.wording.entries import printable
from tempest_pds.services.security_event_kinds import FACTS, TEXTS, VALUES
from tempest_pds.services.security_events import SecurityEvent
from tempest_pds.services.timestamps import from_datetime

_FACT_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class _Event:
    """An event in words; `facts` are a label and a value each."""

    title: str
    happened_at: int
    facts: list[tuple[str, str]]


@people_page("GET", "/account/*/security")
async def show_security(visit: Visit) -> Response:
    """List what happened to the safety of the account, the newest first."""
    account = visit.account().account
    events = visit.services.security_events.list_for(account.did)
    return visit.page("people/security.html", account=account, events=[_in_words(visit, event) for event in events])


def _in_words(visit: Visit, event: SecurityEvent) -> _Event:
    texts = visit.texts
    titles = {kind.value: text for kind, text in TEXTS.items()}
    facts = []
    for name, label in FACTS.items():
        if name in event.detail:
            value = event.detail[name]
            if name == "delete_after":
                facts.append((texts(label), texts.moment(from_datetime(value))))
                continue
            words = VALUES.get(name, {}).get(value)
            # Some are a stranger's own words: the name of an app.
            facts.append((texts(label), printable(value, _FACT_LENGTH) if words is None else texts(words)))
    if event.user_agent is not None:
        facts.append((texts("With"), describe_client(event.user_agent, texts)))
    if event.client_ip is not None:
        facts.append((texts("Address"), event.client_ip))
    return _Event(texts(titles.get(event.kind, event.kind)), event.happened_at, facts)


PAGES: Final[tuple[PeoplePage, ...]] = (show_security,)
