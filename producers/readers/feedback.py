"""The bounds of a rating, shared by the formats that carry one."""

LOWEST_RATING = 1
TOP_RATING = 5
