"""The runs of a folder as pages in a local browser: read-only, on loopback, with nothing fetched from anywhere.

`guard` decides who may ask and what a browser may do with the answer, `library` reads runs and remembers them,
`pages` answers, `live` follows a run as it goes, `serve` starts the server.
"""
