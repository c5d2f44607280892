"""People's decisions about pictures: review, takedown, open questions."""
