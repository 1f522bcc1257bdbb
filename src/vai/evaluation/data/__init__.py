"""Questions with what is known to answer them, in every form; runs; and corpora that come with them."""
