"""The notifier: sends what is due and takes the steps that are due, for every organization."""
