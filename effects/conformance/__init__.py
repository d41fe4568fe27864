"""The conformance kit: judges anybody's store by the `Store` protocol, and tells what it broke.

    pip install 'counterfoil[testing]'
    pytest --pyargs counterfoil.effects.conformance --store my_module:make_store

`make_store` gives a new, empty store each time it is called: the store itself (closed after, if it
can be), or a context manager or a generator that gives it and cleans up. With a picklable function
beside it that opens one more store on the same records, wherever it is called, the kit judges
durability, stores that share a database, processes, and what `kill -9` leaves:

    def make_store():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "sessions.db")
            with SqliteStore(path) as store:
                yield store, functools.partial(SqliteStore, path)

What is judged follows from what is there. A blocking store is asked by threads; its async form
(`awaited`), or a store that has no other, by tasks on one event loop of asyncio; secrets, if it
keeps them (`load_secret`, `swap_secret`). Nothing is demanded that the protocol doesn't say: the
keys of an object come back in any order, which of the sessions that are over a purge takes first
is the store's affair, and one may drop by itself what is over by the clock on the wall. So the
records here live in the year 2100, except those of the one test that is about this.

This is the one place of `effects` that knows threads, processes and pytest: it is a program that
tests, and nothing else imports it. `counterfoil.adapters.simulation.conformance` runs schedules of
the real engine on the same store: name it beside this one.
"""
