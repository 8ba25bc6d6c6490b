"""A chaos campaign: jobs of every feature, a fleet that is killed, frozen and cut off, and a checker outside Redis.

`make chaos ARGS="--minutes 30 --seed 7"`; what it asserts is in docs/reliability.md, "A campaign". One run goes so:

    storm     producers enqueue (producers), a nemesis does harm (nemesis, blows), Redis writes its log
    calm      everything is healed; what was accepted must drain within a bound
    judgement the log is replayed transaction by transaction (aof, keyspace, lives) and held against the rules
              (invariants, closing), and against what producers and jobs noted outside Redis

Everything a run decides comes from its seed; what the machine makes of it does not, so a seed gives the same blows,
not the same run.
"""
