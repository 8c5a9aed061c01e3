"""The App's database: schema, migrations, inbox, runs, locks, leases, schedules, statistics."""
