"""What `failover` and `cluster` share: the servers of a deployment, and a load whose jobs are all accounted for."""
