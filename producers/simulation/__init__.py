"""A closed loop: shoppers with hidden tastes act on what they are shown, and so teach it."""
