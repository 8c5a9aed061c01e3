"""Where it is done: machines, hubs and backends."""
