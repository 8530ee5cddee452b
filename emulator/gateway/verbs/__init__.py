"""What can be done to a running server from outside: the verbs of the control API (design 4.5), without HTTP. One module for each noun
declares its routes beside what they do; `all.py` joins them."""
