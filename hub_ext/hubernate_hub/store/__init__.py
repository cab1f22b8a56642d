"""The only SQL: schema, migrations, queries."""
