"""Forecasts of losses as distributions: do their tails hold, and which is nearer to what came?"""
