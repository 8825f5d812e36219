"""The reference application: the article's wallet on Daicho, and its command line."""
