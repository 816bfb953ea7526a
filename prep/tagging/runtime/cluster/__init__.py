"""Taggers on a cluster of Ray, for folders that are too big for one machine.

``outpost`` and ``worker`` run on the nodes, one process for each GPU; ``engine`` and ``pool`` hand
out shards and gather scores in the process of the command; ``link`` finds or starts Ray.
"""
