"""Taggers on a Ray cluster, for folders too large for one machine.

``node_actor`` and ``node_worker`` run on the nodes, one process per GPU; ``ray_engine`` and
``workers`` distribute shards and gather scores in the process of the command; ``connect`` finds
or starts Ray.
"""
