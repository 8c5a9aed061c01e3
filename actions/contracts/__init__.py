"""The data that App and runner exchange: requests, work orders, results, identifiers."""
