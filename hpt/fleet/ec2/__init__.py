"""Fleets of EC2 instances: made, kept at size, watched and taken down through boto3.

The user's own credentials make a fleet (`setup`) and take it down (`teardown`). In between a small head
instance runs the tuner and asks for machines (`head`, `provision`), and each node watches its own end
(`node`). What must outlive any machine lies in a bucket (`store`).
"""
