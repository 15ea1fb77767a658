"""What people see: the page, its figures and tables, contact sheets, the terminal, and the words
for all of them."""
