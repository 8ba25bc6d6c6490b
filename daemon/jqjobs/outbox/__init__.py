"""The outbox: jobs that exist if and only if a transaction of the application's database was committed.

``options(outbox=…)`` writes a call into a table, in that transaction. Who wrote it brings it to Redis after the commit,
or a relay does. So it takes jobs while Redis is away, too. Needs no extra: the application has its driver.
"""

from jqjobs.outbox.outbox import Outbox

__all__ = ["Outbox"]
