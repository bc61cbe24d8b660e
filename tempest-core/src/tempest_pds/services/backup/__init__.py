"""Backups: a consistent set of everything durable, in one archive, and back.

Terms. The *cut* is the moment that a backup shows: every account's file, `account.sqlite` and the log of events as they
were together, between two batches of the writer thread. An *archive* is a tar file of the data directory at the cut,
with the blobs, whose last member is the *manifest*; one without it was never finished. A *sink* keeps archives.

* `cut` copies the databases while the server goes on writing, and holds the writer for the cut alone.
* `maker` streams an archive into a sink: nothing larger than one account's file is staged.
* `sources` reads an archive back, `restore` turns it into a data directory, `verification` checks all that is in one.
* `encryption` puts an archive into an age file, for a key that is kept elsewhere.
* `schedule` makes backups by the clock, and `retention` says which ones may go.
"""
