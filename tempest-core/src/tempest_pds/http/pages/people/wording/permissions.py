"""What an app asks for, in plain words: an entry for each thing that a person may grant or not.

Every value of a set of scopes is in exactly one entry, so nothing is granted unsaid, and what is unticked is not
granted. Values that mean the same to a person share an entry: `transition:email` and `account:email`, or the methods of
one service. Words that strangers chose, those of permission sets, never stand alone: whose they are stands beside them,
and what the set contains is said in ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from tempest_pds.http.pages.people.wording.covered import is_covered
from tempest_pds.http.pages.people.wording.entries import Danger, Entry, Texts, printable
from tempest_pds.http.pages.people.wording.known_names import (
    CHAT_SERVICE,
    FILES,
    GRAVE_METHODS,
    MOVING_METHODS,
    PRIVATE_METHODS,
    RECORDS,
    SERVICES,
    method_words,
)
from tempest_pds.http.pages.people.wording.method_actions import ACTIONS
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.permissions import (
    ANY,
    AccountPermission,
    BlobPermission,
    IdentityPermission,
    IncludeScope,
    RepoPermission,
    RpcPermission,
)
from tempest_pds.protocol.oauth.scope_set import Meaning, Scope, ScopeSet, StaticScope

_TITLE_LENGTH: Final = 100
_DETAIL_LENGTH: Final = 300
_TYPE_LENGTH: Final = 100
_COMPARED: Final = 100
_FEW: Final = 6

_WRITES: Final = {
    ("create", "update", "delete"): "Create, change and delete {things}",
    ("create", "update"): "Create and change {things}",
    ("create", "delete"): "Create and delete {things}",
    ("update", "delete"): "Change and delete {things}",
    ("create",): "Create {things}",
    ("update",): "Change {things}",
    ("delete",): "Delete {things}",
}


def describe(scopes: ScopeSet, texts: Texts, permission_sets: Mapping[str, PermissionSet] | None = None) -> list[Entry]:
    """Say what a set of scopes allows.

    Args:
        permission_sets: those that `include:` values name, by NSID. One that is not there is said to be unknown.
    """
    description = _Description(scopes, texts, permission_sets or {})
    return description.marked(description.entries())


class _Description:
    def __init__(self, scopes: ScopeSet, texts: Texts, permission_sets: Mapping[str, PermissionSet]) -> None:
        self._scopes = scopes
        self._say = texts
        self._sets = permission_sets

    def entries(self) -> list[Entry]:
        """One entry for each thing, group by group, each group in the client's order."""
        by_thing: dict[object, list[Scope]] = {}
        for scope in self._scopes:
            by_thing.setdefault(_thing(scope.meaning), []).append(scope)
        order = {group: number for number, group in enumerate(self._groups())}
        return sorted(map(self._entry, by_thing.values()), key=lambda entry: order[entry.group])

    def marked(self, entries: Sequence[Entry]) -> list[Entry]:
        """Mark the entries that are covered, where they are so few that a person could weigh them."""
        if len(entries) > _COMPARED:
            return list(entries)
        by_spelling = {scope.spelling: scope for scope in self._scopes}
        meant = {scope.normal: self._permissions(scope) for scope in self._scopes}
        return [
            replace(entry, is_covered=is_covered([by_spelling[value] for value in entry.values], meant))
            for entry in entries
        ]

    def _permissions(self, scope: Scope) -> tuple[Scope, ...]:
        """Give what a value stands for by itself; nothing for a set that is not known."""
        if not isinstance(scope.meaning, IncludeScope):
            return (scope,)
        known = self._sets.get(scope.meaning.nsid)
        return () if known is None else tuple(Scope(str(p), p) for p in known.granted_by(scope.meaning))

    def _groups(self) -> Iterator[str]:
        say = self._say
        yield say("Who you are")
        yield say("Everything at once")
        yield say("What you publish")
        yield say("Other services, in your name")
        yield say("Sets that others have put together")
        yield say("Your account")
        yield say("Your identity")

    def _entry(self, alike: Sequence[Scope]) -> Entry:
        values = tuple(scope.spelling for scope in alike)
        match alike[0].meaning:
            case StaticScope() as meaning:
                return self._static(meaning, values)
            case RepoPermission() as meaning:
                return self._repo(meaning, values)
            case RpcPermission() as meaning:
                methods = [
                    m for scope in alike if isinstance(scope.meaning, RpcPermission) for m in scope.meaning.methods
                ]
                return self._rpc(meaning.audience, methods, values)
            case BlobPermission() as meaning:
                return self._blob(meaning, values)
            case AccountPermission() as meaning:
                return self._account(meaning, values)
            case IdentityPermission() as meaning:
                return self._identity(meaning, values)
            case IncludeScope() as meaning:
                return self._include(meaning, values)

    def _static(self, scope: StaticScope, values: tuple[str, ...]) -> Entry:
        say = self._say
        match scope:
            case StaticScope.ATPROTO:
                return Entry(
                    group=say("Who you are"),
                    title=say("Know who you are"),
                    lines=(say("Your handle, and the permanent identifier of your account."),),
                    values=values,
                    fixed=True,
                )
            case StaticScope.TRANSITION_EMAIL:
                return self._read_email(values)
            case StaticScope.TRANSITION_CHAT:
                return Entry(
                    group=say("Other services, in your name"),
                    title=say("Read and send your private messages"),
                    lines=(say("In Bluesky chat: all conversations, the old ones too."),),
                    warning=self._private_warning(),
                    values=values,
                    danger=Danger.CARE,
                )
            case StaticScope.TRANSITION_GENERIC:
                return Entry(
                    group=say("Everything at once"),
                    title=say("Do nearly everything that you can do"),
                    lines=(
                        say("Create, change and delete posts, likes, follows, your profile, and all else you publish."),
                        say("Upload pictures, videos and other files."),
                        say(
                            "Use other services in your name, and see what they keep for you: "
                            "your timeline, notifications, settings."
                        ),
                        *self._not_in_generic(),
                    ),
                    warning=say(
                        "This is full access, as with an app password. Allow it only to an app that you trust."
                    ),
                    values=values,
                    danger=Danger.HIGH,
                )

    def _not_in_generic(self) -> Iterator[str]:
        """Say what the bundle leaves out, of which nothing else that is asked for grants any."""
        say, scopes = self._say, self._scopes
        if not any(_is_chat(scope.meaning) for scope in scopes):
            yield say("Not: read or send private messages.")
        if not scopes.allows_account("email", "read"):
            yield say("Not: see your e-mail address.")
        if not scopes.allows_account("email", "manage") and not scopes.allows_identity(ANY):
            yield say("Never: change your password, or delete your account.")

    def _repo(self, permission: RepoPermission, values: tuple[str, ...]) -> Entry:
        say = self._say
        everything = ANY in permission.collections
        things = say("everything that you publish") if everything else self._records(permission.collections)
        warning = None
        if everything and permission.actions != ("create",):
            warning = say("What an app changes or deletes is gone for good. Allow it only to an app that you trust.")
        elif everything:
            warning = say("The app could post anything in your name. Allow it only to an app that you trust.")
        return Entry(
            group=say("What you publish"),
            title=_capital(say(_WRITES[permission.actions], things=things)),
            warning=warning,
            values=values,
            danger=Danger.HIGH if everything else Danger.ORDINARY,
        )

    def _records(self, collections: Sequence[str]) -> str:
        say = self._say
        return self._list(
            [
                say(RECORDS[nsid]) if nsid in RECORDS else say("data of the kind {name}", name=nsid)
                for nsid in collections
            ]
        )

    def _blob(self, permission: BlobPermission, values: tuple[str, ...]) -> Entry:
        say = self._say
        files = self._list(
            [
                say(FILES[pattern]) if pattern in FILES else say("files of the type {type}", type=_file_type(pattern))
                for pattern in permission.accept
            ]
        )
        return Entry(group=say("What you publish"), title=_capital(say("Upload {files}", files=files)), values=values)

    def _rpc(self, audience: str, methods: Sequence[str], values: tuple[str, ...]) -> Entry:
        say = self._say
        service, lines = self._service(audience), tuple(self._method_lines(methods))
        if ANY in methods:
            title, lines = say("Use {service} in your name, for all that it offers", service=service), ()
        else:
            title = say("Use {service} in your name", service=service)
        private = any(_is_private(method, audience) for method in methods)
        moving = not MOVING_METHODS.isdisjoint(methods)
        warning = None
        if moving:
            warning = say("This is for moving your account to another server. Allow it only if you want to move.")
        elif private:
            warning = self._private_warning()
        return Entry(
            group=say("Other services, in your name"),
            title=_capital(title),
            lines=lines,
            warning=warning,
            values=values,
            danger=Danger.HIGH if moving else Danger.CARE if private or ANY in methods else Danger.ORDINARY,
        )

    def _method_lines(self, methods: Sequence[str]) -> Iterator[str]:
        """Say what each does where they are few, and else what they are about, and what none may be lost among."""
        say = self._say
        wanted = list(dict.fromkeys(methods))
        named = ACTIONS.keys() if len(wanted) <= _FEW else GRAVE_METHODS
        actions = dict.fromkeys(ACTIONS[method] for method in wanted if method in named)
        if actions:
            yield say("That is: {actions}", actions=say("; ").join(map(say, actions)))
        wanted = [method for method in wanted if method not in named]
        known = dict.fromkeys(words for words in map(method_words, wanted) if words is not None)
        if known:
            yield say("For: {subjects}", subjects=say("; ").join(map(say, known)))
        unknown = [method for method in wanted if method_words(method) is None]
        if unknown:
            yield say("For requests named {names}", names=self._list(unknown))

    def _service(self, audience: str) -> str:
        say = self._say
        if audience == ANY:
            return say("any service on the network")
        did = audience.partition("#")[0]
        place = did.removeprefix("did:web:").replace("%3A", ":")
        if audience in SERVICES:
            return f"{say(SERVICES[audience])} ({place})"
        return say("the service {name}", name=place)

    def _private_warning(self) -> str:
        return self._say("What is in there concerns other people too.")

    def _read_email(self, values: tuple[str, ...]) -> Entry:
        say = self._say
        return Entry(group=say("Your account"), title=say("See your e-mail address"), values=values)

    def _account(self, permission: AccountPermission, values: tuple[str, ...]) -> Entry:
        say = self._say
        managed = "manage" in permission.actions
        danger = Danger.HIGH if managed else Danger.ORDINARY
        warning = None
        match permission.attribute:
            case "email":
                if not managed:
                    return self._read_email(values)
                # No app can change the address: method_access.
                title, danger = say("See your e-mail address, and confirm it"), Danger.ORDINARY
            case "repo":
                title = say("Read all that your account holds, as one archive")
                if managed:
                    title = say("Replace all that your account holds by an archive")
                    warning = say(
                        "Everything that you have published could be replaced. This is for moving an account."
                    )
            case "status":
                title = say("See whether your account is active")
                if managed:
                    title = say("Deactivate and reactivate your account")
                    warning = say("Nobody can see an account that is deactivated.")
        return Entry(group=say("Your account"), title=title, warning=warning, values=values, danger=danger)

    def _identity(self, permission: IdentityPermission, values: tuple[str, ...]) -> Entry:
        say = self._say
        if permission.attribute == "handle":
            title = say("Change your handle")
            warning = say("Your handle is the name by which people find you.")
        else:
            title = say("Change your handle, your keys, and the server where your account is")
            warning = say(
                "With this an app can take your account away from you, for ever. "
                "Allow it only to a tool for moving accounts that you trust entirely."
            )
        return Entry(group=say("Your identity"), title=title, warning=warning, values=values, danger=Danger.HIGH)

    def _include(self, include: IncludeScope, values: tuple[str, ...]) -> Entry:
        say = self._say
        publisher = ".".join(reversed(include.nsid.split(".")[:-1]))
        group = say("Sets that others have put together")
        known = self._sets.get(include.nsid)
        if known is None:
            return Entry(
                group=group,
                title=say("The set of permissions {name}", name=include.nsid),
                lines=(say("What is in it could not be found out just now."),),
                values=values,
                danger=Danger.CARE,
                publisher=publisher,
            )
        title = printable(self._in_language(known.titles, known.title), _TITLE_LENGTH)
        detail = printable(self._in_language(known.details, known.detail), _DETAIL_LENGTH)
        contained = self._contained(known, include)
        lines = [line for entry in contained for line in (entry.title, *entry.lines)]
        return Entry(
            group=group,
            title=title or say("The set of permissions {name}", name=include.nsid),
            lines=tuple(lines or [say("There is nothing in it that can be allowed here.")]),
            warning=next((entry.warning for entry in contained if entry.warning), None),
            values=values,
            danger=max((entry.danger for entry in contained), default=Danger.ORDINARY),
            publisher=publisher,
            detail=detail or None,
        )

    def _contained(self, known: PermissionSet, include: IncludeScope) -> list[Entry]:
        granted = ScopeSet([Scope.parse("atproto"), *(Scope(str(p), p) for p in known.granted_by(include))])
        return [entry for entry in _Description(granted, self._say, {}).entries() if not entry.fixed]

    def _in_language(self, translated: Mapping[str, str], default: str | None) -> str | None:
        by_language = {tag.lower(): text for tag, text in translated.items()}
        language = self._say.language.lower()
        return by_language.get(language) or by_language.get(language.partition("-")[0]) or default

    def _list(self, items: Sequence[str]) -> str:
        if len(items) < 2:
            return "".join(items)
        return self._say("{items} and {last}", items=", ".join(items[:-1]), last=items[-1])


def _capital(title: str) -> str:
    """Begin with a capital, as what stands first is not the same in each language."""
    return title[:1].upper() + title[1:]


def _thing(meaning: Meaning) -> object:
    """Give what is the same for values that share an entry."""
    match meaning:
        case StaticScope.TRANSITION_EMAIL | AccountPermission(attribute="email", actions=("read",)):
            return "read e-mail"
        case AccountPermission(attribute=attribute, actions=actions):
            return attribute, "manage" in actions
        case RpcPermission(audience=audience):
            return "rpc", audience
    return meaning


def _file_type(pattern: str) -> str:
    """Write what an app calls a type of files so that it is none of the words around it: it may be any text at all."""
    return printable(quote(pattern, safe="!#$&'*+-./^_`|~"), _TYPE_LENGTH)


def _is_private(method: str, audience: str) -> bool:
    if method == ANY:
        service, _, fragment = audience.partition("#")
        return service == CHAT_SERVICE or fragment == "bsky_chat"
    return method.lower().startswith(PRIVATE_METHODS)


def _is_chat(meaning: Meaning) -> bool:
    if isinstance(meaning, RpcPermission):
        # In any case, as `allows_rpc` has it.
        return any(method == ANY or method.lower().startswith("chat.bsky.") for method in meaning.methods)
    return meaning == StaticScope.TRANSITION_CHAT or isinstance(meaning, IncludeScope)
