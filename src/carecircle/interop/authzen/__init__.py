"""OpenID AuthZEN Authorization API 1.0: what its requests say, and how our answers read in its words."""
