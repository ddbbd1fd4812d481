"""The database: where it is, who reaches it, its schema, transactions, keys."""
