"""Training jobs on other machines: clusters, fleets of instances, services. Above `hpt.executors`, whose parts
run on every machine of them.
"""
