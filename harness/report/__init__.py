"""A run as a document: one file of HTML that asks nobody for anything, or Markdown, or JSON.

`material` reads what a run left, `facts` says what a reader has to know of it, `charts` draws it, `diffs` and
`conversation` lay out patch and session, `page` puts all of it into templates, `build` decides how much fits.
"""
