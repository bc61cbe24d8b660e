"""The requests of an administrator that both servers are sent, in this order.

`State` and `Exchange` are those of `exchanges`. The account under test and another one are there when it begins.
"""

from typing import Any

from tests.e2e.exchange import CID, NOBODY, POST, RAW_CID, Body, Exchange, State, post

ADMIN, SERVER, REPO, SYNC, IDENTITY = (
    "com.atproto." + name for name in ("admin", "server", "repo", "sync", "identity")
)
EXCHANGES: list[Exchange] = []


def get(name: str, path: str, auth: str | None = "admin") -> None:
    EXCHANGES.append(Exchange(name, "GET", "/xrpc/" + path, auth=auth))


def call(name: str, nsid: str, body: Body | dict[str, Any] | None, auth: str | None = "admin") -> None:
    made = body if callable(body) or body is None else (lambda state, body=body: body)
    EXCHANGES.append(Exchange(name, "POST", "/xrpc/" + nsid, made, auth))


STATUS = f"{ADMIN}.updateSubjectStatus"
DOWN, UP = {"applied": True, "ref": "reason-1"}, {"applied": False}
RKEY = "3kaaaaaaaaa22"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def repo(**more: Any) -> Body:
    return lambda s: {"subject": {"$type": f"{ADMIN}.defs#repoRef", "did": s.did}, **more}


def record(**more: Any) -> Body:
    return lambda s: {"subject": {"$type": f"{REPO}.strongRef", "uri": s.uri, "cid": s.cid}, **more}


def blob(**more: Any) -> Body:
    return lambda s: {
        "subject": {"$type": f"{ADMIN}.defs#repoBlobRef", "did": s.did, "cid": s.blob["ref"]["$link"]},
        **more,
    }


def picture(s: State) -> Any:
    image = {"alt": "", "image": s.blob}
    embed = {"$type": "app.bsky.embed.images", "images": [image]}
    return {"repo": s.did, "collection": POST, "record": post(embed=embed), "rkey": RKEY}


EXCHANGES.append(
    Exchange(
        "upload",
        "POST",
        f"/xrpc/{REPO}.uploadBlob",
        auth="access",
        raw=PNG,
        headers=(("Content-Type", "image/png"),),
    )
)
call("create", f"{REPO}.createRecord", picture, "access")

# Looking at accounts
get("info", f"{ADMIN}.getAccountInfo?did={{did}}")
get("info by a moderator", f"{ADMIN}.getAccountInfo?did={{did}}", "moderator")
get("info of nobody", f"{ADMIN}.getAccountInfo?did={NOBODY}")
get("info of rubbish", f"{ADMIN}.getAccountInfo?did=rubbish")
get("info of no one", f"{ADMIN}.getAccountInfo")
get("infos", f"{ADMIN}.getAccountInfos?dids={{did}}&dids={{other_did}}&dids={NOBODY}")
get("infos of nobody", f"{ADMIN}.getAccountInfos?dids={NOBODY}")
get("infos of no one", f"{ADMIN}.getAccountInfos")

# Who may
for kind in (None, "access", "app", "refresh", "rubbish", "forged", "service", "wrong", "wrong-name", "stranger"):
    get(f"info as {kind}", f"{ADMIN}.getAccountInfo?did={{did}}", kind)
    call(f"email as {kind}", f"{ADMIN}.updateAccountEmail", lambda s: {"account": s.did, "email": "x@y.test"}, kind)
    call(f"takedown as {kind}", STATUS, repo(takedown=DOWN), kind)
for nsid in ("updateAccountEmail", "updateAccountHandle", "updateAccountPassword", "deleteAccount"):
    call(
        f"{nsid} by a moderator",
        f"{ADMIN}.{nsid}",
        lambda s: {
            "account": s.did,
            "did": s.did,
            "email": "x@y.test",
            "handle": "moderated.test",
            "password": "moderated-it",
        },
        "moderator",
    )
get("info by a moderator for another method", f"{ADMIN}.getAccountInfo?did={{did}}", "moderator-elsewhere")
get("info by a moderator past his time", f"{ADMIN}.getAccountInfo?did={{did}}", "moderator-late")

# Changing accounts
EMAIL, HANDLE, PASSWORD = (f"{ADMIN}.updateAccount{name}" for name in ("Email", "Handle", "Password"))
call("email", EMAIL, lambda s: {"account": s.did, "email": f"new-{s.handle}@mail.test"})
call("email by handle", EMAIL, lambda s: {"account": s.handle, "email": f"newer-{s.handle}@mail.test"})
call("email of nobody", EMAIL, {"account": NOBODY, "email": "a@b.test"})
call("email of rubbish", EMAIL, {"account": "rub bish", "email": "a@b.test"})
call("email that is taken", EMAIL, lambda s: {"account": s.did, "email": f"{s.other_handle}@mail.test"})
call("no email", EMAIL, lambda s: {"account": s.did})
call("email that is none", EMAIL, lambda s: {"account": s.did, "email": "nope"})
call("handle", HANDLE, lambda s: {"did": s.did, "handle": f"n{s.handle}"})
call("handle back", HANDLE, lambda s: {"did": s.did, "handle": s.handle})
call("handle of nobody", HANDLE, {"did": NOBODY, "handle": "nobody12.test"})
call("handle that is taken", HANDLE, lambda s: {"did": s.did, "handle": s.other_handle})
call("handle that is none", HANDLE, lambda s: {"did": s.did, "handle": "no handle"})
call("short handle", HANDLE, lambda s: {"did": s.did, "handle": "ab.test"})
call("handle of two labels", HANDLE, lambda s: {"did": s.did, "handle": "a.bcd.test"})
call("handle elsewhere", HANDLE, lambda s: {"did": s.did, "handle": "who.invalid-domain.example"})
call("reserved handle", HANDLE, lambda s: {"did": s.did, "handle": "support.test"})
call("handle back again", HANDLE, lambda s: {"did": s.did, "handle": s.handle})
call("password", PASSWORD, lambda s: {"did": s.other_did, "password": "a-new-password"})
call(
    "login with it",
    f"{SERVER}.createSession",
    lambda s: {"identifier": s.other_did, "password": "a-new-password"},
    None,
)
call("password of nobody", PASSWORD, {"did": NOBODY, "password": "a-new-password"})
call("long password", PASSWORD, lambda s: {"did": s.other_did, "password": "x" * 257})
call("no password", PASSWORD, lambda s: {"did": s.other_did})

# Mail
MAIL = f"{ADMIN}.sendEmail"
call("mail to nobody", MAIL, {"recipientDid": NOBODY, "senderDid": NOBODY, "content": "hello"})
call("mail without content", MAIL, lambda s: {"recipientDid": s.did, "senderDid": NOBODY})
call("mail as access", MAIL, lambda s: {"recipientDid": s.did, "senderDid": NOBODY, "content": "hello"}, "access")

# Invite codes
CODES = f"{ADMIN}.getInviteCodes"
call(
    "codes for an account",
    f"{SERVER}.createInviteCodes",
    lambda s: {"useCount": 3, "codeCount": 2, "forAccounts": [s.did]},
)
call("a code", f"{SERVER}.createInviteCode", {"useCount": 2})
get("codes", CODES)
get("codes by use", f"{CODES}?sort=usage")
get("codes in another order", f"{CODES}?sort=colour")
get("one code", f"{CODES}?limit=1")
get("no codes", f"{CODES}?limit=0")
get("too many codes", f"{CODES}?limit=501")
get("codes after rubbish", f"{CODES}?cursor=rubbish")
get("codes as access", CODES, "access")
call("disable codes", f"{ADMIN}.disableInviteCodes", lambda s: {"codes": ["nope"], "accounts": [s.did]})
call("disable nothing", f"{ADMIN}.disableInviteCodes", {})
call("disable the administrator's", f"{ADMIN}.disableInviteCodes", {"accounts": ["admin"]})
get("info with codes", f"{ADMIN}.getAccountInfo?did={{did}}")
for name in ("disableAccountInvites", "enableAccountInvites"):
    call(name, f"{ADMIN}.{name}", lambda s: {"account": s.did})
    call(f"{name} of nobody", f"{ADMIN}.{name}", {"account": NOBODY})
    call(f"{name} of rubbish", f"{ADMIN}.{name}", {"account": "rubbish"})

# Subjects
SUBJECT = f"{ADMIN}.getSubjectStatus"
get("status", f"{SUBJECT}?did={{did}}")
get("status of nobody", f"{SUBJECT}?did={NOBODY}")
get("status of no subject", SUBJECT)
get("status of a record", f"{SUBJECT}?uri={{uri}}")
get("status of a record that is not there", f"{SUBJECT}?uri=at://{{did}}/{POST}/3kzzzzzzzzz22")
get("status of a record of nobody", f"{SUBJECT}?uri=at://{NOBODY}/{POST}/3kzzzzzzzzz22")
get("status of a blob", f"{SUBJECT}?did={{did}}&blob={{blob_cid}}")
get("status of a blob of nobody in particular", f"{SUBJECT}?blob={{blob_cid}}")
get("status of a blob that is not there", f"{SUBJECT}?did={{did}}&blob={RAW_CID}")
get("status of a blob of nobody", f"{SUBJECT}?did={NOBODY}&blob={RAW_CID}")
get("status by a moderator", f"{SUBJECT}?did={{did}}", "moderator")
call("no subject", STATUS, {})
call("a subject of no type", STATUS, {"subject": {"did": NOBODY}, "takedown": DOWN})
call("a subject of another type", STATUS, {"subject": {"$type": "com.example.a"}, "takedown": DOWN})
call("both at once", STATUS, repo(takedown=DOWN, deactivated=UP))
call("announce", STATUS, repo())
call("takedown without applied", STATUS, repo(takedown={}))
call(
    "takedown of a record of nobody",
    STATUS,
    {"subject": {"$type": f"{REPO}.strongRef", "uri": f"at://{NOBODY}/{POST}/{RKEY}", "cid": CID}, "takedown": DOWN},
)


def reads(when: str) -> None:
    """Read the account under test in every way there is."""
    for who in (None, "access", "admin"):
        said = f" {when} as {who}"
        get("record" + said, f"{REPO}.getRecord?repo={{did}}&collection={POST}&rkey={RKEY}", who)
        get("records" + said, f"{REPO}.listRecords?repo={{did}}&collection={POST}", who)
        get("describe" + said, f"{REPO}.describeRepo?repo={{did}}", who)
        get("repo" + said, f"{SYNC}.getRepo?did={{did}}", who)
        get("proof" + said, f"{SYNC}.getRecord?did={{did}}&collection={POST}&rkey={RKEY}", who)
        get("blocks" + said, f"{SYNC}.getBlocks?did={{did}}&cids={{cid}}", who)
        get("blob" + said, f"{SYNC}.getBlob?did={{did}}&cid={{blob_cid}}", who)
        get("blobs" + said, f"{SYNC}.listBlobs?did={{did}}", who)
        get("latest" + said, f"{SYNC}.getLatestCommit?did={{did}}", who)
        get("head" + said, f"{SYNC}.getHead?did={{did}}", who)
        get("checkout" + said, f"{SYNC}.getCheckout?did={{did}}", who)
    get(f"status {when}", f"{SYNC}.getRepoStatus?did={{did}}", None)
    get(f"handle {when}", f"{IDENTITY}.resolveHandle?handle={{handle}}", None)
    get(f"subject {when}", f"{SUBJECT}?did={{did}}")


reads("before")
call("record takedown", STATUS, record(takedown=DOWN))
get("status of the record", f"{SUBJECT}?uri={{uri}}")
reads("without the record")
call("record restored", STATUS, record(takedown=UP))
reads("with the record")
call("blob takedown", STATUS, blob(takedown=DOWN), "moderator")
get("status of the blob", f"{SUBJECT}?did={{did}}&blob={{blob_cid}}")
reads("without the blob")
EXCHANGES.append(
    Exchange(
        "upload of what was taken down",
        "POST",
        f"/xrpc/{REPO}.uploadBlob",
        auth="access",
        raw=PNG,
        headers=(("Content-Type", "image/png"),),
    )
)
call(
    "create with a blob that was taken down",
    f"{REPO}.createRecord",
    lambda s: picture(s) | {"rkey": "3kaaaaaaaab22"},
    "access",
)
call("blob restored", STATUS, blob(takedown=UP))
reads("with the blob")
call("account takedown", STATUS, repo(takedown=DOWN))
reads("without the account")
get("info of what is down", f"{ADMIN}.getAccountInfo?did={{did}}")
call("login when down", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": s.password}, None)
call(
    "narrow login when down",
    f"{SERVER}.createSession",
    lambda s: {"identifier": s.did, "password": s.password, "allowTakendown": True},
    None,
)
call(
    "login with a wrong password when down",
    f"{SERVER}.createSession",
    lambda s: {"identifier": s.did, "password": "no"},
    None,
)
call(
    "login with an app password when down",
    f"{SERVER}.createSession",
    lambda s: {"identifier": s.did, "password": s.app_password},
    None,
)
call("refresh when down", f"{SERVER}.refreshSession", None, "refresh")
for token in ("access", "app"):
    get(f"session when down as {token}", f"{SERVER}.getSession", token)
    get(
        f"service token when down as {token}",
        f"{SERVER}.getServiceAuth?aud=did:web:a.example&lxm=app.bsky.feed.getTimeline",
        token,
    )
    call(
        f"create when down as {token}",
        f"{REPO}.createRecord",
        lambda s: {"repo": s.did, "collection": POST, "record": post()},
        token,
    )
    get(f"passed on when down as {token}", "app.bsky.feed.getTimeline", token)
call("app password when down", f"{SERVER}.createAppPassword", {"name": "new"}, "access")
call("activate when down", f"{SERVER}.activateAccount", None, "access")
call("activated by the administrator when down", STATUS, repo(deactivated=UP))
call("deactivated by the administrator when down", STATUS, repo(deactivated={"applied": True}))
get("subject when down and off", f"{SUBJECT}?did={{did}}")
call("account restored", STATUS, repo(takedown=UP))
get("status when off", f"{SYNC}.getRepoStatus?did={{did}}", None)
call("activated by the administrator", STATUS, repo(deactivated=UP))
reads("with the account")
call("refresh when restored", f"{SERVER}.refreshSession", None, "refresh")
call("login when restored", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": s.password}, None)
call("takedown of nobody", STATUS, {"subject": {"$type": f"{ADMIN}.defs#repoRef", "did": NOBODY}, "takedown": DOWN})

# The end
call("delete as access", f"{ADMIN}.deleteAccount", lambda s: {"did": s.did}, "access")
call("delete without a DID", f"{ADMIN}.deleteAccount", {})
call("delete rubbish", f"{ADMIN}.deleteAccount", {"did": "rubbish"})
call("delete", f"{ADMIN}.deleteAccount", lambda s: {"did": s.did})
reads("after the end")
get("info after the end", f"{ADMIN}.getAccountInfo?did={{did}}")
get("session after the end", f"{SERVER}.getSession", "access")
call(
    "create after the end",
    f"{REPO}.createRecord",
    lambda s: {"repo": s.did, "collection": POST, "record": post()},
    "access",
)
call("login after the end", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": s.password}, None)
call("refresh after the end", f"{SERVER}.refreshSession", None, "refresh")
call("delete again", f"{ADMIN}.deleteAccount", lambda s: {"did": s.did})
