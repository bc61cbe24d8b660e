"""An account sees what it just wrote, although the AppView has not heard of it yet.

The AppView says with each answer, in `Atproto-Repo-Rev`, up to which revision of the caller's repository it knows. What
the repository has written since is put into the answer here: a new name into a profile, new posts into a feed or below
the post they reply to. Most of the time there is nothing newer, and then the answer is passed on unread.

Terms: a *view* is how the AppView shows a thing, JSON by the lexicons of `app.bsky`; a *record* is what lies in the
repository. A *merge* changes the view in place and tells whether it did. Whatever goes wrong in one, the answer of the
AppView stands as it came: a view that is late is better than none.
"""
