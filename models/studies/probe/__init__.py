"""Controls anyone can run on any model: does it see the future, find a signal, invent one?"""
