"""What it may do: people, rules, approvals and budgets."""
