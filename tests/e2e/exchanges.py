"""The table of requests that both servers are sent, in this order.

Where the answers differ on purpose, `DIFFERENCES` of the test beside this file says so.
"""

from typing import Any

from tests.e2e.exchange import CID, LIKE, NOBODY, NOW, POST, PROFILE, RAW_CID, Body, Exchange, State, create, post

EXCHANGES: list[Exchange] = []


def get(name: str, path: str, auth: str | None = None, **headers: str) -> None:
    sent = tuple((key.replace("_", "-"), value) for key, value in headers.items())
    EXCHANGES.append(Exchange(name, "GET", "/xrpc/" + path, auth=auth, headers=sent))


def call(name: str, nsid: str, body: Body | dict[str, Any] | None, auth: str | None = "access") -> None:
    made = body if callable(body) or body is None else (lambda state, body=body: body)
    EXCHANGES.append(Exchange(name, "POST", "/xrpc/" + nsid, made, auth))


def raw(name: str, nsid: str, data: bytes, content_type: str, auth: str | None = "access") -> None:
    headers = (("Content-Type", content_type),) if content_type else ()
    EXCHANGES.append(Exchange(name, "POST", "/xrpc/" + nsid, auth=auth, raw=data, headers=headers))


SERVER, REPO, SYNC, IDENTITY = ("com.atproto." + name for name in ("server", "repo", "sync", "identity"))

# The edge itself
get("health", "_health")
get("describe the server", f"{SERVER}.describeServer")
get("no such method", "com.example.noSuchMethod")
call("no such procedure", "com.example.noSuchMethod", {}, None)
get("a procedure by GET", f"{REPO}.createRecord")
call("a query by POST", f"{REPO}.getRecord", {}, None)
get("a subscription without an upgrade", f"{SYNC}.subscribeRepos")
get("no method at all", "")
get("one word for a method", "word")
raw("JSON that is none", f"{SERVER}.createSession", b"{nope", "application/json", None)
raw("a body of another type", f"{SERVER}.createSession", b"a=b", "text/plain", None)
raw("no body", f"{SERVER}.createSession", b"", "application/json", None)
raw("an array for a body", f"{SERVER}.createSession", b"[]", "application/json", None)
raw("a body with null", f"{SERVER}.createSession", b"null", "application/json", None)

# Accounts and sessions
ACCOUNT = f"{SERVER}.createAccount"
call("account without a handle", ACCOUNT, {"email": "a@b.test", "password": "long enough"}, None)
call("account with a bad handle", ACCOUNT, {"handle": "no spaces.test", "email": "b@b.test", "password": "x" * 9}, None)
call("account with a short handle", ACCOUNT, {"handle": "ab.test", "email": "c@b.test", "password": "x" * 9}, None)
call(
    "account of another domain", ACCOUNT, {"handle": "who.example.com", "email": "d@b.test", "password": "x" * 9}, None
)
call("account with two labels", ACCOUNT, {"handle": "a.bcd.test", "email": "e@b.test", "password": "x" * 9}, None)
call("account with a reserved name", ACCOUNT, {"handle": "admin.test", "email": "f@b.test", "password": "x" * 9}, None)
call("account with a slur", ACCOUNT, {"handle": "k1ke.test", "email": "k@b.test", "password": "x" * 9}, None)
call(
    "account with a long name", ACCOUNT, {"handle": "a" * 30 + ".test", "email": "g@b.test", "password": "x" * 9}, None
)
call("account without mail", ACCOUNT, {"handle": "nomail1.test", "password": "x" * 9}, None)
call("account with bad mail", ACCOUNT, {"handle": "badmail1.test", "email": "nope", "password": "x" * 9}, None)
call("account without a password", ACCOUNT, {"handle": "nopass1.test", "email": "h@b.test"}, None)
call("account taken", ACCOUNT, lambda s: {"handle": s.handle, "email": "i@b.test", "password": "x" * 9}, None)
call(
    "account with mail that is taken",
    ACCOUNT,
    lambda s: {"handle": "fresh1.test", "email": f"{s.handle}@mail.test", "password": "x" * 9},
    None,
)
call(
    "account with a DID and no token",
    ACCOUNT,
    {"handle": "moved1.test", "email": "j@b.test", "password": "x" * 9, "did": NOBODY},
    None,
)
call("login", f"{SERVER}.createSession", lambda s: {"identifier": s.handle, "password": s.password}, None)
call(
    "login in capitals",
    f"{SERVER}.createSession",
    lambda s: {"identifier": s.handle.upper(), "password": s.password},
    None,
)
call("login by DID", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": s.password}, None)
call("login with a wrong password", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": "no"}, None)
call("login of nobody", f"{SERVER}.createSession", {"identifier": "nobody.test", "password": "no"}, None)
call("login without a password", f"{SERVER}.createSession", {"identifier": "nobody.test"}, None)
get("session", f"{SERVER}.getSession", "access")
get("session without a token", f"{SERVER}.getSession")
get("session with rubbish", f"{SERVER}.getSession", "rubbish")
get("session with a refresh token", f"{SERVER}.getSession", "refresh")
get("session with a token of ours that is not signed by us", f"{SERVER}.getSession", "forged")
get("session by basic auth", f"{SERVER}.getSession", authorization="Basic YWRtaW46bm8=")
call("refresh", f"{SERVER}.refreshSession", None, "refresh")
call("refresh with an access token", f"{SERVER}.refreshSession", None, "access")
call("refresh without a token", f"{SERVER}.refreshSession", None, None)
get("account status", f"{SERVER}.checkAccountStatus", "access")
get("account status without a token", f"{SERVER}.checkAccountStatus")
call("app password", f"{SERVER}.createAppPassword", {"name": "differential"})
call("app password twice", f"{SERVER}.createAppPassword", {"name": "differential"})
call("app password without a name", f"{SERVER}.createAppPassword", {})
call("app password by an app password", f"{SERVER}.createAppPassword", {"name": "second"}, "app")
get("app passwords", f"{SERVER}.listAppPasswords", "access")
get("session by an app password", f"{SERVER}.getSession", "app")
call("revoke", f"{SERVER}.revokeAppPassword", {"name": "differential"})
call("revoke what is not there", f"{SERVER}.revokeAppPassword", {"name": "never was"})
call("invite code without being an admin", f"{SERVER}.createInviteCode", {"useCount": 1})
call("invite code", f"{SERVER}.createInviteCode", {"useCount": 1}, "admin")
call("invite codes", f"{SERVER}.createInviteCodes", {"useCount": 1, "codeCount": 2}, "admin")
call("invite code without a count", f"{SERVER}.createInviteCode", {}, "admin")
get("own invite codes", f"{SERVER}.getAccountInviteCodes", "access")
get("service token", f"{SERVER}.getServiceAuth?aud=did:web:a.example&lxm=app.bsky.feed.getTimeline", "access")
get("service token without a method", f"{SERVER}.getServiceAuth?aud=did:web:a.example", "access")
get("service token for no one", f"{SERVER}.getServiceAuth", "access")
get("service token for rubbish", f"{SERVER}.getServiceAuth?aud=rubbish", "access")
get("service token of the past", f"{SERVER}.getServiceAuth?aud=did:web:a.example&exp=1000", "access")
get("service token for years", f"{SERVER}.getServiceAuth?aud=did:web:a.example&exp=9999999999", "access")
get(
    "service token for a takeover",
    f"{SERVER}.getServiceAuth?aud=did:web:a.example&lxm={SERVER}.deleteAccount",
    "access",
)
get("service token without a session", f"{SERVER}.getServiceAuth?aud=did:web:a.example")

# Mail. The reference logs what it would send, so no exchange has a code that is right.
NO_CODE = "AAAAA-AAAAA"
call("request a confirmation", f"{SERVER}.requestEmailConfirmation", None)
call("request a confirmation by an app password", f"{SERVER}.requestEmailConfirmation", None, "app")
call("request a confirmation without a session", f"{SERVER}.requestEmailConfirmation", None, None)
call("confirm", f"{SERVER}.confirmEmail", lambda s: {"email": f"{s.handle}@mail.test", "token": NO_CODE})
call("confirm another address", f"{SERVER}.confirmEmail", {"email": "who@mail.test", "token": NO_CODE})
call("confirm without a code", f"{SERVER}.confirmEmail", {"email": "who@mail.test"})
call("confirm without a session", f"{SERVER}.confirmEmail", {"email": "who@mail.test", "token": NO_CODE}, None)
call("request a change of address", f"{SERVER}.requestEmailUpdate", None)
call("request a change of address by an app password", f"{SERVER}.requestEmailUpdate", None, "app")
call("change the address to one that is none", f"{SERVER}.updateEmail", {"email": "nope"})
call("change the address to a disposable one", f"{SERVER}.updateEmail", {"email": "a@mailinator.com"})
call("change the address to a taken one", f"{SERVER}.updateEmail", lambda s: {"email": f"{s.other_handle}@mail.test"})
call("change the address with a bad code", f"{SERVER}.updateEmail", {"email": "b@mail.test", "token": NO_CODE})
call("change the address by an app password", f"{SERVER}.updateEmail", {"email": "b@mail.test"}, "app")
call("change the address without a session", f"{SERVER}.updateEmail", {"email": "b@mail.test"}, None)
call("change the address", f"{SERVER}.updateEmail", lambda s: {"email": f"{s.handle}@new.test"})
get("session with the new address", f"{SERVER}.getSession", "access")
call("request a reset", f"{SERVER}.requestPasswordReset", lambda s: {"email": f"{s.handle}@new.test"}, None)
call("request a reset of nobody", f"{SERVER}.requestPasswordReset", {"email": "nobody@mail.test"}, None)
call("request a reset without an address", f"{SERVER}.requestPasswordReset", {}, None)
call("reset", f"{SERVER}.resetPassword", {"token": NO_CODE, "password": "long enough"}, None)
call("reset with a long password", f"{SERVER}.resetPassword", {"token": NO_CODE, "password": "x" * 257}, None)
call("reset without a password", f"{SERVER}.resetPassword", {"token": NO_CODE}, None)
call(
    "account with a disposable address",
    ACCOUNT,
    {"handle": "tossed1.test", "email": "a@yopmail.com", "password": "x" * 9},
    None,
)

# Identity
get("own handle", f"{IDENTITY}.resolveHandle?handle={{handle}}")
get("own handle in capitals", f"{IDENTITY}.resolveHandle?handle={{HANDLE}}")
get("handle of nobody", f"{IDENTITY}.resolveHandle?handle=nobody-at-all.test")
get("handle that is none", f"{IDENTITY}.resolveHandle?handle=no%20handle")
get("no handle", f"{IDENTITY}.resolveHandle")
get("credentials", f"{IDENTITY}.getRecommendedDidCredentials", "access")
call("take a handle that is taken", f"{IDENTITY}.updateHandle", lambda s: {"handle": s.other_handle})
call("take a handle that is none", f"{IDENTITY}.updateHandle", {"handle": "not a handle"})
call("take a reserved handle", f"{IDENTITY}.updateHandle", {"handle": "support.test"})
call("take a slur", f"{IDENTITY}.updateHandle", {"handle": "ch1nks.test"})
call("take a handle without a session", f"{IDENTITY}.updateHandle", {"handle": "other9.test"}, None)

# Writing
CREATE, PUT, DELETE, APPLY = (f"{REPO}.{name}" for name in ("createRecord", "putRecord", "deleteRecord", "applyWrites"))
RKEY = "3kaaaaaaaaa22"
call("create", CREATE, create(post(), rkey=RKEY))
call("create by handle", CREATE, lambda s: {"repo": s.handle, "collection": POST, "record": post()})
call("create by an app password", CREATE, create(post()), "app")
call("create without a token", CREATE, create(post()), None)
call("create with a refresh token", CREATE, create(post()), "refresh")
call("create in another's repo", CREATE, lambda s: {"repo": s.other_did, "collection": POST, "record": post()})
call("create in nobody's repo", CREATE, {"repo": NOBODY, "collection": POST, "record": post()})
call("create without a record", CREATE, lambda s: {"repo": s.did, "collection": POST})
call("create without a collection", CREATE, lambda s: {"repo": s.did, "record": post()})
call("create a string", CREATE, create("hi"))
call("create a list", CREATE, create([post()]))
call("create in a collection that is none", CREATE, create(post(), "post"))
call("create with a key of dots", CREATE, create({"$type": "com.example.a"}, "com.example.a", rkey=".."))
call("create with a key with a slash", CREATE, create({"$type": "com.example.a"}, "com.example.a", rkey="a/b"))
call("create with an empty key", CREATE, create({"$type": "com.example.a"}, "com.example.a", rkey=""))
call("create a post under a key that is no TID", CREATE, create(post(), rkey="mine"))
call("create a profile not at self", CREATE, create({"$type": PROFILE}, PROFILE, rkey="other"))
call("create with another type", CREATE, create({"$type": LIKE, "text": "hi", "createdAt": NOW}))
call("create without a type", CREATE, create({"text": "no type", "createdAt": NOW}))
call("create without text", CREATE, create({"$type": POST, "createdAt": NOW}))
call("create with a number for text", CREATE, create(post(text=1)))
call("create with a date that is none", CREATE, create(post(createdAt="yesterday")))
call("create with long text", CREATE, create(post(text="x" * 3001)))
call("create with many graphemes", CREATE, create(post(text="é" * 301)))
call("create with a bad language", CREATE, create(post(langs=["not a language"])))
call("create with too many languages", CREATE, create(post(langs=["en", "de", "fr", "it"])))
call("create with a field nobody knows", CREATE, create(post(extra={"deep": [1, None, True]})))
call("create with a float", CREATE, create(post(extra=1.5)))
call("create with a whole float", CREATE, create(post(extra=2.0)))
call("create with an embed of an unknown type", CREATE, create(post(embed={"$type": "com.example.embed"})))
call("create with an embed without a type", CREATE, create(post(embed={"images": []})))
call("create with a broken link", CREATE, create(post(extra={"$link": "nope"})))
call("create with broken bytes", CREATE, create(post(extra={"$bytes": "not base64!"})))
call("create with a link and more", CREATE, create(post(extra={"$link": CID, "more": 1})))
call(
    "create a like of rubbish",
    CREATE,
    create({"$type": LIKE, "subject": {"uri": "x", "cid": CID}, "createdAt": NOW}, LIKE),
)
call("create of an unknown lexicon", CREATE, create({"$type": "com.example.a", "a": 1}, "com.example.a"))
call(
    "create of an unknown lexicon, validated",
    CREATE,
    create({"$type": "com.example.a"}, "com.example.a", validate=True),
)
call("create what is invalid, unvalidated", CREATE, create(post(text=1), validate=False))
call("create with a swap that is stale", CREATE, create(post(), swapCommit=CID))
call("create with a swap that is no CID", CREATE, create(post(), swapCommit="nope"))
call("create with validate that is no boolean", CREATE, create(post(), validate="yes"))


def picture(**changes: Any) -> Body:
    def body(s: State) -> Any:
        blob = {**s.blob, **changes}
        image = {"alt": "", "image": blob}
        return {
            "repo": s.did,
            "collection": POST,
            "record": post(embed={"$type": "app.bsky.embed.images", "images": [image]}),
        }

    return body


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
raw("upload", f"{REPO}.uploadBlob", PNG, "image/png")
raw("upload without a token", f"{REPO}.uploadBlob", PNG, "image/png", None)
raw("upload without a type", f"{REPO}.uploadBlob", PNG, "")
raw("upload nothing", f"{REPO}.uploadBlob", b"", "image/png")
raw("upload of text", f"{REPO}.uploadBlob", b"plain text", "text/plain")
call("create with a blob", CREATE, picture())
call("create with a blob nobody uploaded", CREATE, picture(ref={"$link": RAW_CID}))
call("create with another type of blob", CREATE, picture(mimeType="image/jpeg"))
call("create with a type the lexicon refuses", CREATE, picture(mimeType="text/plain"))
call("create with another size of blob", CREATE, picture(size=1))
call("create with an old blob", CREATE, create(post(embed={"cid": RAW_CID, "mimeType": "image/png"})))
get("missing blobs", f"{REPO}.listMissingBlobs", "access")

call("put", PUT, lambda s: {"repo": s.did, "collection": PROFILE, "rkey": "self", "record": {"$type": PROFILE}})
call(
    "put the same", PUT, lambda s: {"repo": s.did, "collection": PROFILE, "rkey": "self", "record": {"$type": PROFILE}}
)
call("put without a key", PUT, create({"$type": PROFILE}, PROFILE))
call("put that must be new", PUT, create({"$type": PROFILE, "displayName": "x"}, PROFILE, rkey="self", swapRecord=None))
call("put with a stale swap", PUT, create({"$type": PROFILE, "displayName": "y"}, PROFILE, rkey="self", swapRecord=CID))
call("put with a bad swap", PUT, create({"$type": PROFILE}, PROFILE, rkey="self", swapRecord="nope"))
call("put a long name", PUT, create({"$type": PROFILE, "displayName": "x" * 641}, PROFILE, rkey="self"))
call("put without a token", PUT, create({"$type": PROFILE}, PROFILE, rkey="self"), None)


def delete(rkey: str, collection: str = POST, **more: Any) -> Body:
    return lambda s: {"repo": s.did, "collection": collection, "rkey": rkey, **more}


call("delete what is not there", DELETE, delete("3kzzzzzzzzz22"))
call("delete with a stale swap", DELETE, delete(RKEY, swapRecord=CID))
call("delete without a key", DELETE, lambda s: {"repo": s.did, "collection": POST})
call("delete without a token", DELETE, delete(RKEY), None)
call("delete in another's repo", DELETE, lambda s: {"repo": s.other_did, "collection": POST, "rkey": RKEY})


def write(action: str, **more: Any) -> dict[str, Any]:
    return {"$type": f"{APPLY}#{action}", "collection": POST, **more}


def writes(*each: dict[str, Any], **more: Any) -> Body:
    return lambda s: {"repo": s.did, "writes": list(each), **more}


call("apply nothing", APPLY, writes())
call("apply", APPLY, writes(write("create", value=post(), rkey="3kbbbbbbbbb22"), write("create", value=post())))
call("apply an update", APPLY, writes(write("update", value=post(text="new"), rkey="3kbbbbbbbbb22")))
call("apply a delete", APPLY, writes(write("delete", rkey="3kbbbbbbbbb22")))
call("apply an update of nothing", APPLY, writes(write("update", value=post(), rkey="3kccccccccc22")))
call("apply a delete of nothing", APPLY, writes(write("delete", rkey="3kccccccccc22")))
call(
    "apply create and delete",
    APPLY,
    writes(write("create", value=post(), rkey="3kddddddddd22"), write("delete", rkey="3kddddddddd22")),
)
call("apply with one invalid", APPLY, writes(write("create", value=post()), write("create", value=post(text=1))))
call("apply what is no write", APPLY, writes({"$type": f"{APPLY}#burn", "collection": POST}))
call("apply without types", APPLY, writes({"collection": POST, "value": post()}))
call("apply with a stale swap", APPLY, writes(write("create", value=post()), swapCommit=CID))
call("apply 201 writes", APPLY, writes(*[write("create", value=post())] * 201))
call("apply without a token", APPLY, writes(write("create", value=post())), None)
call("apply to another's repo", APPLY, lambda s: {"repo": s.other_did, "writes": [write("create", value=post())]})

# Reading
READ = f"{REPO}.getRecord?repo={{did}}&collection={POST}"
get("record", f"{READ}&rkey={RKEY}")
get("record by handle", f"{REPO}.getRecord?repo={{handle}}&collection={POST}&rkey={RKEY}")
get("record that is not there", f"{READ}&rkey=3kzzzzzzzzz22")
get("record of another version", f"{READ}&rkey={RKEY}&cid={CID}")
get("record with a bad CID", f"{READ}&rkey={RKEY}&cid=nope")
get("record without a key", READ)
get("record of a bad collection", f"{REPO}.getRecord?repo={{did}}&collection=nope&rkey=x")
get("record of a bad repo", f"{REPO}.getRecord?repo=nope&collection={POST}&rkey=x")
get("record of nobody's handle", f"{REPO}.getRecord?repo=nobody-at-all.test&collection={POST}&rkey={RKEY}")
LIST = f"{REPO}.listRecords?repo={{did}}&collection={POST}"
get("list", LIST)
get("list by handle", f"{REPO}.listRecords?repo={{handle}}&collection={POST}&limit=2")
get("list in reverse", f"{LIST}&reverse=true&limit=2")
get("list an empty collection", f"{REPO}.listRecords?repo={{did}}&collection=com.example.none")
get("list with limit 0", f"{LIST}&limit=0")
get("list with limit 101", f"{LIST}&limit=101")
get("list with a limit that is no number", f"{LIST}&limit=ten")
get("list with reverse that is no boolean", f"{LIST}&reverse=maybe")
get("list from a strange cursor", f"{LIST}&cursor=zzz")
get("list of a bad collection", f"{REPO}.listRecords?repo={{did}}&collection=nope")
get("list of nobody", f"{REPO}.listRecords?repo={NOBODY}&collection={POST}")
get("list without a collection", f"{REPO}.listRecords?repo={{did}}")
get("describe", f"{REPO}.describeRepo?repo={{did}}")
get("describe by handle", f"{REPO}.describeRepo?repo={{handle}}")
get("describe nobody", f"{REPO}.describeRepo?repo={NOBODY}")
get("describe rubbish", f"{REPO}.describeRepo?repo=rubbish")
get("describe without a repo", f"{REPO}.describeRepo")

# Sync
get("repo", f"{SYNC}.getRepo?did={{did}}")
get("repo since a revision of the future", f"{SYNC}.getRepo?did={{did}}&since=7zzzzzzzzzzzz")
get("repo since rubbish", f"{SYNC}.getRepo?did={{did}}&since=rubbish")
get("repo of nobody", f"{SYNC}.getRepo?did={NOBODY}")
get("repo of rubbish", f"{SYNC}.getRepo?did=rubbish")
get("repo of a handle", f"{SYNC}.getRepo?did={{handle}}")
get("repo of no one", f"{SYNC}.getRepo")
get("proof", f"{SYNC}.getRecord?did={{did}}&collection={POST}&rkey={RKEY}")
get("proof of absence", f"{SYNC}.getRecord?did={{did}}&collection={POST}&rkey=3kzzzzzzzzz22")
get("proof for nobody", f"{SYNC}.getRecord?did={NOBODY}&collection={POST}&rkey={RKEY}")
get("blocks", f"{SYNC}.getBlocks?did={{did}}&cids={{cid}}")
get("blocks that are not there", f"{SYNC}.getBlocks?did={{did}}&cids={CID}")
get("blocks that are no CIDs", f"{SYNC}.getBlocks?did={{did}}&cids=nope")
get("no blocks", f"{SYNC}.getBlocks?did={{did}}")
for nsid in ("getLatestCommit", "getRepoStatus", "getHead", "getCheckout", "listBlobs"):
    get(nsid, f"{SYNC}.{nsid}?did={{did}}")
    get(f"{nsid} of nobody", f"{SYNC}.{nsid}?did={NOBODY}")
    get(f"{nsid} of rubbish", f"{SYNC}.{nsid}?did=rubbish")
get("list blobs with a limit", f"{SYNC}.listBlobs?did={{did}}&limit=1")
get("list blobs since the future", f"{SYNC}.listBlobs?did={{did}}&since=7zzzzzzzzzzzz")
get("list blobs with limit 0", f"{SYNC}.listBlobs?did={{did}}&limit=0")
get("blob", f"{SYNC}.getBlob?did={{did}}&cid={{blob_cid}}")
get("blob of another", f"{SYNC}.getBlob?did={{other_did}}&cid={{blob_cid}}")
get("blob that is not there", f"{SYNC}.getBlob?did={{did}}&cid={RAW_CID}")
get("blob that is no CID", f"{SYNC}.getBlob?did={{did}}&cid=nope")
get("blob of nobody", f"{SYNC}.getBlob?did={NOBODY}&cid={RAW_CID}")
get("repos", f"{SYNC}.listRepos?limit=1")
get("repos with limit 0", f"{SYNC}.listRepos?limit=0")
get("repos with limit 1001", f"{SYNC}.listRepos?limit=1001")
get("repos from a strange cursor", f"{SYNC}.listRepos?cursor=rubbish")
get("request for a crawl", f"{SYNC}.notifyOfUpdate")

# Preferences and what is passed on
PREFERENCES = "app.bsky.actor.putPreferences"
ADULT = {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True}
call("preferences", PREFERENCES, {"preferences": [ADULT]})
call("preferences of another namespace", PREFERENCES, {"preferences": [{"$type": "com.example.pref"}]})
call("preferences without a type", PREFERENCES, {"preferences": [{"enabled": True}]})
call("preferences that are no list", PREFERENCES, {"preferences": {}})
call("preferences without a token", PREFERENCES, {"preferences": []}, None)
get("own preferences", "app.bsky.actor.getPreferences", "access")
get("preferences of no one", "app.bsky.actor.getPreferences")
get("timeline, passed on to nobody", "app.bsky.feed.getTimeline", "access")
get("timeline without a token", "app.bsky.feed.getTimeline")
get("passed on to rubbish", "app.bsky.feed.getTimeline", "access", atproto_proxy="rubbish")
get("passed on to nobody", "com.example.some", "access", atproto_proxy="did:plc:nobody#svc")
get("passed on without a token", "com.example.some", atproto_proxy="did:web:localhost%3A1#svc")
get("sign-up queue", "com.atproto.temp.checkSignupQueue", "access")

# The end
call("deactivate", f"{SERVER}.deactivateAccount", {}, "access")
get("repo of a deactivated account", f"{SYNC}.getRepo?did={{did}}")
get("status of a deactivated account", f"{SYNC}.getRepoStatus?did={{did}}")
get("record of a deactivated account", f"{READ}&rkey={RKEY}")
get("description of a deactivated account", f"{REPO}.describeRepo?repo={{did}}")
get("blob of a deactivated account", f"{SYNC}.getBlob?did={{did}}&cid={{blob_cid}}")
get("own session when deactivated", f"{SERVER}.getSession", "access")
call("create when deactivated", CREATE, create(post()))
raw("upload when deactivated", f"{REPO}.uploadBlob", PNG + b"2", "image/png")
call("login when deactivated", f"{SERVER}.createSession", lambda s: {"identifier": s.did, "password": s.password}, None)
call("activate", f"{SERVER}.activateAccount", None, "access")
get("status of an account that came back", f"{SYNC}.getRepoStatus?did={{did}}")
call("delete", DELETE, delete(RKEY))
call("end of a session", f"{SERVER}.deleteSession", None, "refresh")
call("end of a session with an access token", f"{SERVER}.deleteSession", None, "access")
