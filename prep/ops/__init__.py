"""Operations: one file each, a frozen options model and ``run(project, options)``.

An operation is a generator of events. It never prints and does not know any front end: progress is
iterating, cancelling is to stop iterating and close the generator in the same thread.
"""
