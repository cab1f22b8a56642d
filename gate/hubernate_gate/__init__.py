"""The auth proxy beside every notebook; the only holder of the server's Hub token.

Small on purpose: aiohttp's parts are imported one by one, since `aiohttp.web` as a whole costs a megabyte more.
"""
