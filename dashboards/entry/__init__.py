"""What people enter: budgets, claims and rules, names, invoices, prices, cost centres."""
