"""What an import or a check could not take, kept until somebody resolves it."""
