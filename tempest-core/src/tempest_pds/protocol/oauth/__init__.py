"""The pure part of the OAuth provider: values and rules, without a clock, a store or a network.

https://atproto.com/specs/oauth
"""
