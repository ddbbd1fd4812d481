"""Care teams: the patients they look after and the seats on them."""
