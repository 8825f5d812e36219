"""How fast Daicho is, each figure beside what the machine could do without it."""
